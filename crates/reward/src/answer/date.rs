//! Calendar dates in the forms in which they are usually written.

/// A day of the Gregorian calendar that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year, 1 to 9999.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
}

/// What `3/4/2024` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// 3 April.
    DayFirst,
    /// March 4.
    MonthFirst,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl Date {
    /// The day, `None` when there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        ((1..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// Reads `2024-03-05`, `2024/3/5`, `5 March 2024`, `March 5th, 2024`, `5. Mar 2024` and, in the order
    /// given, `5/3/2024`, `5.3.2024`. Words such as "on", "the", "of" and names of weekdays may stand
    /// around; anything else, a second date included, makes it none. Years have four digits.
    pub fn parse(text: &str, order: Order) -> Option<Self> {
        let (mut numbers, mut month) = (Vec::new(), None);
        let mut numeric = true;
        let separator = |c: char| c.is_whitespace() || matches!(c, '-' | '/' | '.' | ',' | '(' | ')' | '*');
        for word in text.split(separator).filter(|w| !w.is_empty()) {
            if numbers.len() > 3 {
                return None;
            }
            let digits = word.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = word.split_at_checked(digits)?;
            let rest = rest.to_ascii_lowercase();
            if digits > 0 {
                let ordinal = matches!(rest.as_str(), "st" | "nd" | "rd" | "th");
                if digits > 4 || !(rest.is_empty() || (ordinal && digits < 3)) {
                    return None;
                }
                numbers.push((number.parse::<u16>().ok()?, digits));
            } else if let Some(index) = month_named(&rest) {
                numeric = false;
                if month.replace(index).is_some() {
                    return None;
                }
            } else if !filler(&rest) {
                return None;
            }
        }
        let year_at = numbers.iter().position(|(_, digits)| *digits == 4)?;
        let small =
            |i: usize| numbers.get(i).filter(|(_, d)| *d < 3).and_then(|(n, _)| u8::try_from(*n).ok());
        let year = numbers.get(year_at)?.0;
        match (month, numbers.len(), year_at) {
            (Some(month), 2, at) => Self::new(year, month, small(1 - at.min(1))?),
            (None, 3, 0) if numeric => Self::new(year, small(1)?, small(2)?),
            (None, 3, 2) if numeric => {
                let (first, second) = (small(0)?, small(1)?);
                let (day, month) = if order == Order::DayFirst { (first, second) } else { (second, first) };
                Self::new(year, month, day)
            }
            _ => None,
        }
    }

    /// The share of year, month and day that agree, from the year down: a month counts only in the right
    /// year, a day only in the right month.
    pub fn agreement(self, other: Self) -> f64 {
        match (self.year == other.year, self.month == other.month, self.day == other.day) {
            (true, true, true) => 1.0,
            (true, true, _) => 2.0 / 3.0,
            (true, ..) => 1.0 / 3.0,
            _ => 0.0,
        }
    }
}

fn month_named(word: &str) -> Option<u8> {
    let short = |name: &str| name.get(..3) == Some(word) || (name == "september" && word == "sept");
    let index = MONTHS.iter().position(|name| *name == word || short(name))?;
    u8::try_from(index + 1).ok()
}

fn filler(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    const WORDS: [&str; 10] = ["on", "the", "of", "it", "is", "was", "date", "answer", "answer:", "date:"];
    WORDS.contains(&word) || DAYS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_one_day() {
        let day = Date::new(2024, 3, 5);
        for text in [
            "2024-03-05",
            "2024/3/5",
            "5 March 2024",
            "March 5, 2024",
            "Mar 5th 2024",
            "5. Mar. 2024",
            "05.03.2024",
            "5/3/2024",
            "on the 5th of March, 2024",
            "Tuesday, 5 March 2024",
            "**2024-03-05**",
            "the date is 5-3-2024",
        ] {
            assert_eq!(Date::parse(text, Order::DayFirst), day, "{text}");
        }
        assert_eq!(Date::parse("3/5/2024", Order::MonthFirst), day);
        assert_eq!(Date::parse("29 Feb 2024", Order::DayFirst), Date::new(2024, 2, 29));
    }

    #[test]
    fn what_is_no_day() {
        for text in [
            "",
            "2024",
            "March 2024",
            "2023-02-29",
            "2024-13-01",
            "31 April 2024",
            "5/3/24",
            "2024-03-05 2024-03-06",
            "5 March or 6 March 2024",
            "٥/٣/2024",
            "20240305",
            "tomorrow",
            "1900-02-29",
            "0000-01-01",
            "5 3 2024 1",
        ] {
            assert_eq!(Date::parse(text, Order::DayFirst), None, "{text}");
        }
    }

    #[test]
    fn parts_agree_from_the_year_down() {
        let day = |y, m, d| Date::new(y, m, d).unwrap();
        let gold = day(2024, 3, 5);
        assert_eq!(gold.agreement(day(2024, 3, 6)), 2.0 / 3.0);
        assert_eq!(gold.agreement(day(2024, 4, 5)), 1.0 / 3.0);
        assert_eq!(gold.agreement(day(2023, 3, 5)), 0.0);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[0-9a-zA-Z ./,-]{0,20}") {
            Date::parse(&text, Order::DayFirst);
        }

        #[test]
        fn iso_is_read_back(y in 1000u16..=9999, m in 1u8..=12, d in 1u8..=28) {
            let date = Date::new(y, m, d);
            prop_assert_eq!(Date::parse(&format!("{y}-{m:02}-{d:02}"), Order::MonthFirst), date);
            let name = MONTHS[usize::from(m) - 1];
            prop_assert_eq!(Date::parse(&format!("{name} {d}, {y}"), Order::DayFirst), date);
        }
    }
}
