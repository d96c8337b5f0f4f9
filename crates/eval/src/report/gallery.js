const box = document.getElementById('filter');
box.addEventListener('input', () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll('section')) {
    let any = false;
    for (const card of section.querySelectorAll('article')) {
      card.hidden = !words.every(w => card.dataset.text.includes(w));
      any = any || !card.hidden;
    }
    section.hidden = !any;
  }
});
