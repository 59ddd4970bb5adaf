use proptest::prelude::*;

use super::*;

/// The same counts, character by character.
fn slowly(text: &str) -> [u64; Kind::COUNT] {
    let mut counts = [0; Kind::COUNT];
    let mut add = |kind: Kind, count: u64| counts[kind as usize] += count;
    let characters: Vec<char> = text.chars().collect();
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    for (index, &c) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map_or('\u{FFFD}', |before| characters[before]);
        let is_switch = before.is_ascii_lowercase() && (c.is_ascii_uppercase() || c.is_ascii_digit())
            || before.is_ascii_uppercase() && c.is_ascii_digit()
            || before.is_ascii_digit() && c.is_ascii_alphabetic();
        add(Kind::Switch, u64::from(is_switch));
        match c {
            'a'..='z' => add(Kind::Lower, 1),
            'A'..='Z' => add(Kind::Upper, 1),
            '0'..='9' => add(Kind::Digit, 1),
            '!'..='~' => add(Kind::Punctuation, 1),
            _ if is_space(c) => {}
            _ if c.is_ascii() => add(Kind::OtherByte, 1),
            _ => {
                let (kind, count) = scripts::kind_at(c.encode_utf8(&mut [0; 4]).as_bytes(), 0);
                add(kind, u64::from(count));
            }
        }
    }
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let class = |c: &char| (is_space(*c), is_letter(*c), c.is_ascii_digit());
    for run in characters.chunk_by(|a, b| class(a) == class(b)) {
        let length = run.len() as u64;
        match class(&run[0]) {
            (true, ..) => {
                let has_line_end = run.iter().any(|c| matches!(c, '\n' | '\r'));
                add(Kind::LineRun, u64::from(has_line_end));
                add(Kind::BlankRun, u64::from(!has_line_end && length > 1));
                add(Kind::CrowdedSpace, if length > 1 { length } else { 0 });
            }
            (_, true, _) => {
                add(Kind::LetterRun, 1);
                add(Kind::LateLetter, length.saturating_sub(20));
            }
            (.., true) => add(Kind::DigitGroup, length.div_ceil(3)),
            _ => {}
        }
    }
    counts
}

fn counted(pieces: &[&str]) -> [u64; Kind::COUNT] {
    let mut text = TextTokens::default();
    for piece in pieces {
        text.push(piece);
    }
    text.end();
    text.counts
}

const ALL: [Tokenizer; 3] = [Tokenizer::O200k, Tokenizer::Cl100k, Tokenizer::Gemma];

#[test]
fn known_texts_have_known_estimates() {
    // Likely and reserved for o200k, cl100k and Gemma.
    for (text, estimates) in [
        ("", [0; 6]),
        ("hi", [1, 1, 1, 1, 1, 1]),
        ("Count to five.", [4, 4, 4, 4, 4, 4]),
        ("1234567", [4, 4, 4, 4, 7, 7]),
        ("a1B2", [4, 4, 4, 4, 4, 4]),
        ("{\"key\": [1, 20, 300]}", [8, 10, 8, 10, 12, 13]),
        ("fn main() {\n    let x = 1;\n}\n", [9, 11, 8, 10, 12, 14]),
        ("Größe", [4, 5, 6, 7, 4, 4]),
        ("Привет, мир", [4, 5, 7, 8, 4, 5]),
        ("你好，世界", [4, 5, 6, 7, 4, 4]),
        ("안녕하세요", [4, 4, 6, 7, 4, 4]),
        ("🎉🎉", [5, 5, 6, 8, 4, 4]),
        ("\u{0}\u{7F}\u{A000}", [5, 5, 5, 5, 5, 5]),
    ] {
        let mut tokens = TextTokens::default();
        tokens.push(text);
        let both = ALL.map(|tokenizer| [tokens.likely(tokenizer), tokens.reserved(tokenizer)]);
        assert_eq!(both.as_flattened(), estimates, "{text:?}");
    }
}

#[test]
fn estimates_are_near_the_counts_of_real_tokenizers() {
    // The counts of o200k and cl100k, as the tokenizers themselves give them.
    for (text, o200k, cl100k) in [
        (
            "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and \
             associated documentation files, to deal in the software without restriction, including without \
             limitation the rights to use, copy, modify, merge, publish, distribute and sell copies of it.",
            54,
            54,
        ),
        (
            "Die Vermietung von Fahrrädern beginnt täglich um acht Uhr. Bitte bringen Sie einen gültigen Ausweis \
             mit, und geben Sie die Räder vor dem Abend zurück.",
            35,
            42,
        ),
        (
            "Прокат велосипедов начинается каждый день в восемь часов. Пожалуйста, возьмите с собой паспорт и \
             верните велосипеды до вечера.",
            33,
            60,
        ),
        ("自行车租赁每天早上八点开始。请携带有效证件，并在晚上之前归还自行车。", 26, 40),
        (
            "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / \
             len(values)\n",
            28,
            28,
        ),
        (r#"{"id":17,"name":"Ada","tags":["x","y"],"price":12.5,"at":"2026-03-01T10:15:00Z"}"#, 38, 37),
        ("2026-03-01 10:15:00.123 INFO 10.0.0.7 GET /v1/models/42 200 0.013", 36, 36),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 43, 43),
    ] {
        for (tokenizer, real) in [(Tokenizer::O200k, o200k), (Tokenizer::Cl100k, cl100k)] {
            let mut tokens = TextTokens::default();
            tokens.push(text);
            let (likely, reserved) = (tokens.likely(tokenizer), tokens.reserved(tokenizer));
            assert!(likely * 10 >= real * 7 && likely * 10 <= real * 13, "{likely} for {real}: {text:.20}");
            assert!(reserved * 100 >= real * 85, "{reserved} for {real}: {text:.20}");
        }
    }
}

#[test]
fn texts_that_are_written_to_deceive_stay_between_their_words_and_their_bytes() {
    let letters = "a b c d e f g h i j ".repeat(50);
    let random = "qzXv7Jk2WpL9".repeat(100);
    for (text, at_least) in [
        (letters.as_str(), 500),
        ("a\nb\nc\nd\n", 4),
        (random.as_str(), 600),
        ("   \t \t \n \t\t", 1),
        (&"x".repeat(10_000), 2_500),
        (&"\u{A000}".repeat(100), 300),
        (&"\u{1}".repeat(100), 100),
        (&"0".repeat(999), 333),
    ] {
        let mut tokens = TextTokens::default();
        tokens.push(text);
        for tokenizer in ALL {
            let reserved = tokens.reserved(tokenizer);
            assert!(reserved >= at_least && reserved <= text.len() as u64, "{reserved} {text:.20}");
        }
    }
}

#[test]
fn another_text_continues_no_word_and_no_number() {
    let mut texts = TextTokens::default();
    for text in ["one", "two", "12", "34", "  ", " "] {
        texts.push(text);
        texts.end();
    }
    let apart = ["one", "two", "12", "34", "  ", " "].map(|text| counted(&[text]));
    for (kind, count) in texts.counts.iter().enumerate() {
        assert_eq!(*count, apart.iter().map(|counts| counts[kind]).sum::<u64>(), "{kind}");
    }
}

#[test]
fn a_model_has_the_tokenizer_of_its_family() {
    for (model, tokenizer) in [
        ("gpt-4o-mini", Tokenizer::O200k),
        ("gpt-4.1", Tokenizer::O200k),
        ("gpt-4-0613", Tokenizer::Cl100k),
        ("openai/GPT-3.5-turbo", Tokenizer::Cl100k),
        ("google/gemma-3-270m", Tokenizer::Gemma),
        ("Qwen/Qwen3-8B", Tokenizer::Gemma),
        ("meta-llama/Llama-3.1-8B", Tokenizer::Cl100k),
        ("claude-sonnet-4-5", Tokenizer::O200k),
        ("日本", Tokenizer::O200k),
        ("", Tokenizer::O200k),
    ] {
        assert_eq!(Tokenizer::of_model(model), tokenizer, "{model}");
    }
}

/// Texts with runs that are long enough to cross blocks.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{0,90}",
        "[A-Za-z0-9]{0,30}",
        "[0-9]{0,140}",
        "[ \t]{0,80}",
        "[ \n\r\t]{0,80}",
        "[ -~]{0,20}",
        "[äßéабвאا한漢かกა🎉±ếΩ\u{1}\u{7F}\u{A000}]{0,20}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn blocks_count_as_characters_one_by_one(text in text()) {
        prop_assert_eq!(counted(&[&text]), slowly(&text));
    }

    #[test]
    fn instructions_that_every_processor_has_count_alike(text in text()) {
        let mut tokens = TextTokens::default();
        dispatch!(Level::baseline(), simd => tokens.count_all(simd, text.as_bytes()));
        tokens.end();
        prop_assert_eq!(tokens.counts, slowly(&text));
    }

    #[test]
    fn it_does_not_matter_where_pieces_end(text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9)) {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        prop_assert_eq!(counted(&pieces), counted(&[&text]));
        let mut tokens = TextTokens::default();
        pieces.iter().for_each(|piece| tokens.push(piece));
        for tokenizer in ALL {
            prop_assert_eq!(tokens.likely(tokenizer), TextTokens::of(&text, tokenizer));
        }
    }

    #[test]
    fn no_text_has_more_tokens_than_bytes(text in text()) {
        let mut tokens = TextTokens::default();
        tokens.push(&text);
        for tokenizer in ALL {
            prop_assert!(tokens.likely(tokenizer) <= text.len() as u64);
            prop_assert!(tokens.reserved(tokenizer) <= text.len() as u64);
            prop_assert!(tokens.reserved(tokenizer) >= tokens.likely(tokenizer));
        }
    }

    #[test]
    fn a_longer_conversation_has_no_fewer_tokens(text in text(), more in text()) {
        let mut tokens = TextTokens::default();
        tokens.push(&text);
        tokens.end();
        let before = ALL.map(|tokenizer| tokens.reserved(tokenizer));
        tokens.push(&more);
        for (tokenizer, before) in ALL.into_iter().zip(before) {
            prop_assert!(tokens.reserved(tokenizer) >= before);
        }
    }
}
