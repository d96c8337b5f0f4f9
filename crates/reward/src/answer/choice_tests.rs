//! Phrasings of a choice, and what is none.

use super::choice::chosen_option;
use super::letters::chosen_letter;
use proptest::prelude::*;

#[test]
fn phrasings_of_one_choice() {
    for text in [
        "B",
        "b",
        "(B)",
        "[B]",
        "B.",
        "B)",
        "B:",
        "**B**",
        "**B.**",
        "\\boxed{B}",
        "$\\boxed{\\text{B}}$",
        "\"B\"",
        "Option B",
        "option b",
        "Choice B.",
        "B is correct.",
        "B is the correct answer.",
        "(B) is right",
        "The answer is B",
        "The answer is (B).",
        "the answer is **B**.",
        "Answer: B",
        "The answer is B. C shows a dog.",
        "Answer:\nB",
        "The correct answer is B because the car is red.",
        "The correct option is B.",
        "I would choose B.",
        "I choose option B",
        "I'll go with B",
        "Therefore, B.",
        "So it must be B.",
        "Based on the image, the answer is B.",
        "B. a red car",
        "B) a red car",
        "b) a red car",
        "b. a red car",
        "**Answer: B**",
        "### Final Answer\nB",
        "Looking at options A, B, C and D, the answer is B",
        "(B) a red car",
        "B: a red car",
        "B because the car is red",
        "Final answer: B",
        "The answer is not A but B.",
        "A is wrong, so B.",
        "A is incorrect. The answer is B.",
        "Option A shows a cat. Option C shows a dog. The answer is B.",
        "Between A and C there is nothing to see.\nB",
        "B, not A",
        "My answer is B, since A is a cat.",
        "The image shows a cat.\n\nB",
        "答案是B",
        "答案:B。",
        "I think the answer is B, as I said.",
        "the answer would be b.",
    ] {
        assert_eq!(chosen_letter(text, 4), Some('B'), "{text}");
    }
    assert_eq!(chosen_letter("the answer is C", 4), Some('C'));
    assert_eq!(chosen_letter("A is correct", 4), Some('A'));
    assert_eq!(chosen_letter("A", 4), Some('A'));
    assert_eq!(chosen_letter("The answer is A because it fits", 4), Some('A'));
}

#[test]
fn no_single_choice() {
    for text in [
        "",
        " ",
        "A or B",
        "The answer is A or B.",
        "A, B",
        "A/B",
        "A and B",
        "A B C D",
        "ABCD",
        "A. B. C. D.",
        "A. cat B. dog C. bird D. fish",
        "(A) cat (B) dog",
        "Either B or C",
        "The answer is A. The answer is B.",
        "Answer: A\nB",
        "I chose B. No, I chose C.",
        "not B",
        "The answer is not B.",
        "B is wrong.",
        "B is not correct",
        "A cat sits on the mat",
        "A red car",
        "It is rich in vitamin C",
        "vitamin C",
        "Brown",
        "cab",
        "the A-frame house",
        "N/A",
        "the U.S.A.",
        "Q&A",
        "I think so",
        "It is a b c d",
        "E",
        "Z",
        "Ｂ",
        "В",
        "neither A nor B",
    ] {
        assert_eq!(chosen_letter(text, 4), None, "{text}");
    }
}

#[test]
fn options_are_matched_as_a_whole() {
    let options = ["A. red car", "blue car", "car", "-5"];
    assert_eq!(chosen_option("Blue car.", &options), Some(1));
    assert_eq!(chosen_option("the answer is red car", &options), Some(0));
    assert_eq!(chosen_option("B. blue car", &options), Some(1));
    assert_eq!(chosen_option("B. red car", &options), None, "letter and text contradict each other");
    assert_eq!(chosen_option("(B)", &options), Some(1));
    assert_eq!(chosen_option("a red car and a blue car", &options), None);
    assert_eq!(chosen_option("ca", &options), None);
    assert_eq!(chosen_option("5", &options), None, "the sign counts");
    assert_eq!(chosen_option("-5", &options), Some(3));
    assert_eq!(chosen_option("yes", &["yes", "Yes"]), None, "two options alike");
    assert_eq!(chosen_option("A red car", &["cat", "a red car"]), Some(1));
    assert_eq!(chosen_option("", &["", "x"]), None);
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>(), n in 0usize..30) {
        let letter = chosen_letter(&text, n);
        prop_assert!(letter.is_none_or(|l| usize::from(l as u8 - b'A') < n));
    }

    #[test]
    fn listing_letters_is_no_choice(
        before in prop::sample::select(vec!["", "The answer is ", "Option ", "I choose ", "so: "]),
        between in prop::sample::select(vec![", ", " or ", " and ", "/", " ", ". ", ") ", ", or ", "; ", "\n", " | "]),
        letters in prop::sample::subsequence(vec!["A", "B", "C", "D"], 2..=4).prop_shuffle(),
    ) {
        // A last line of its own is a decision; so the list ends with a word.
        let text = format!("{before}{}, take any", letters.join(between));
        prop_assert_eq!(chosen_letter(&text, 4), None, "{}", text);
    }
}
