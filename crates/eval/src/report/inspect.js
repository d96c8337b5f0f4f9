// Tokens: coloured by what they are for, by how unlikely they were, or by their advantage.
const by = document.getElementById("by");
by.addEventListener("change", () => { document.body.dataset.by = by.value; });
