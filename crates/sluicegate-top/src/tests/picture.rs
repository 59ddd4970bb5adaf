//! The picture in a terminal, and the plain text.

use std::time::Duration;

use crossterm::event::{Event, KeyCode};
use ratatui_core::{
    buffer::{Buffer, Cell},
    layout::Rect,
    style::{Color, Modifier},
};

use super::Gateway;
use crate::{
    model::{Model, Route},
    plain::plain,
    screen::Screen,
    view::View,
};

#[test]
fn everything_is_on_a_screen_of_80_by_24() {
    let picture = lines(&draw(&Gateway::busy().model(), &mut View::default(), (80, 24)));
    let expected = [
        "sluicegate top  http://127.0.0.1:9090  every 2s",
        "requests 100/s  allowed 88/s  denied 10/s (10%)  refused 2/s  total 366",
        "active 13  connections 7  decision p50 3.0µs p99 5.0µs  keys 42  evictions 0/s",
        "store up  store errors 0/s  policy current",
    ];
    assert_eq!(picture[..4], expected);
    for row in [
        ["/predict", "100", "10", "10%", "12", "56ms", "235ms", "0.5"].as_slice(),
        &["unmatched", "0.5", "0", "0%", "1", "-", "-", "0"],
        &["predict", "88", "10", "0", "30"],
        &["burst", "88", "0", "3", "400"],
        &["a11ce", "predict", "10", "30", "3s"],
        &["b0b", "predict", "0", "3", "3s"],
        &["http://127.0.0.1:8000", "up", "12", "0", "0"],
        &["http://127.0.0.1:8001", "DOWN", "0", "1", "4"],
    ] {
        assert!(
            picture.iter().any(|line| line.split_whitespace().eq(row.iter().copied())),
            "{row:?} {picture:#?}"
        );
    }
    assert!(picture[23].starts_with("q quit  p pause  s sort: denials"));
    assert!(picture.iter().all(|line| line.chars().count() <= 80));
}

#[test]
fn the_only_upstream_is_failing_while_its_attempts_fail() {
    let [before, now] = [0, 6].map(|attempts| {
        format!(
            "sluicegate_upstream_healthy{{upstream=\"http://127.0.0.1:8000\"}} 1\n\
             sluicegate_upstream_failed_attempts_total{{upstream=\"http://127.0.0.1:8000\"}} {attempts}\n"
        )
    });
    let picture = lines(&draw(&Gateway::telling(&before, &now).model(), &mut View::default(), (80, 24)));
    let row = ["http://127.0.0.1:8000", "FAILING", "0", "3", "6"];
    assert!(picture.iter().any(|line| line.split_whitespace().eq(row)), "{picture:#?}");
}

#[test]
fn columns_stand_below_their_headings() {
    let picture = lines(&draw(&Gateway::busy().model(), &mut View::default(), (80, 24)));
    let end_of = |line: &str, text: &str| line.find(text).unwrap() + text.len();
    assert_eq!(end_of(&picture[4], "REQ/S"), end_of(&picture[5], "100"));
    assert_eq!(end_of(&picture[4], "FAIL/S"), 80);
}

#[test]
fn what_is_broken_is_red_and_bold_and_without_colours_still_bold() {
    let model = Gateway::busy().model();
    let down = |has_colours| {
        let buffer = draw_in(&model, &mut View::default(), (80, 24), has_colours, None);
        let y = lines(&buffer).iter().position(|line| line.contains("DOWN")).unwrap();
        buffer[(0, u16::try_from(y).unwrap())].clone()
    };
    let is_bold = |cell: &Cell| cell.modifier.contains(Modifier::BOLD);
    assert!(is_bold(&down(true)) && down(true).fg == Color::Red);
    assert!(is_bold(&down(false)));
    let plain = draw_in(&model, &mut View::default(), (80, 24), false, None);
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn a_gateway_that_is_away_says_so_above_its_last_state() {
    let away = Some(("http://127.0.0.1:9090 does not answer: refused", Duration::from_secs(75)));
    let buffer = draw_in(&Gateway::busy().model(), &mut View::default(), (80, 24), true, away);
    let picture = lines(&buffer);
    assert_eq!(picture[1], "no news for 1m: http://127.0.0.1:9090 does not answer: refused");
    assert!(picture[2].starts_with("requests 100/s"));
}

#[test]
fn a_list_that_is_too_long_can_be_scrolled_to_its_end() {
    let mut model = Gateway::busy().model();
    model.routes =
        (0..100).map(|number| Route { name: format!("/{number:02}"), ..model.routes[0].clone() }).collect();
    let mut view = View::default();
    let shown = |view: &mut View| {
        let picture = lines(&draw(&model, view, (80, 24)));
        (picture[4].split("  ").next().unwrap().to_owned(), picture.join("\n"))
    };
    let (heading, picture) = shown(&mut view);
    assert!(heading.starts_with("ROUTE 1-") && heading.ends_with("of 100"), "{heading}");
    assert!(picture.contains("\n/00 ") && picture.contains("UPSTREAM"));
    view.follow(&Event::Key(KeyCode::End.into()));
    let (heading, picture) = shown(&mut view);
    assert!(heading.ends_with("-100 of 100") && picture.contains("\n/99 "), "{heading}");
}

#[test]
fn the_order_of_rows_follows_the_choice() {
    let mut view = View::default();
    let first_limit = |view: &mut View| {
        let picture = lines(&draw(&Gateway::busy().model(), view, (80, 24)));
        let heading = picture.iter().position(|line| line.starts_with("LIMIT")).unwrap();
        picture[heading + 1].split(' ').next().unwrap().to_owned()
    };
    assert_eq!(first_limit(&mut view), "predict", "it denies most");
    view.follow(&Event::Key(KeyCode::Char('s').into()));
    view.follow(&Event::Key(KeyCode::Char('s').into()));
    assert_eq!(first_limit(&mut view), "burst", "by name");
}

#[test]
fn help_covers_the_tables_and_every_line_of_it_fits() {
    let mut view = View::default();
    view.follow(&Event::Key(KeyCode::Char('?').into()));
    let picture = lines(&draw(&Gateway::busy().model(), &mut view, (80, 24))).join("\n");
    assert!(picture.contains("pause, and continue") && picture.contains("or 503 for the store"), "{picture}");
    assert!(!picture.contains("ROUTE "));
}

#[test]
fn a_terminal_of_any_size_is_drawn_on() {
    let model = Gateway::busy().model();
    for size in (0..30).flat_map(|height| [0, 1, 20, 79, 200].map(|width| (width, height))) {
        draw(&model, &mut View::default(), size);
        draw_in(
            &model,
            &mut View { shows_help: true, ..View::default() },
            size,
            true,
            Some(("x", Duration::ZERO)),
        );
    }
}

#[test]
fn plain_text_has_all_rows_and_no_codes() {
    let mut model = Gateway::busy().model();
    model.routes =
        (0..100).map(|number| Route { name: format!("/{number:02}"), ..model.routes[0].clone() }).collect();
    let text = plain(&model);
    assert!(text.starts_with("requests 100/s  allowed 88/s  denied 10/s (10%)"), "{text}");
    assert!((0..100).all(|number| text.contains(&format!("\n/{number:02} "))));
    assert!(!text.contains('\u{1b}') && text.lines().all(|line| line == line.trim_end()));
}

#[test]
fn plain_text_says_why_a_table_is_empty() {
    let mut model = Gateway::busy().model();
    model.keys = Err("they require gateway.admin_token".to_owned());
    assert!(plain(&model).contains("LAST\nthey require gateway.admin_token\n"));
}

#[test]
fn warming_up_and_failed_reloads_are_told() {
    let mut model = Gateway::busy().model();
    model.warmup = 0.2;
    model.policy_is_current = false;
    let text = plain(&model);
    assert!(text.contains("warming up: limits at 20%  last reload FAILED"), "{text}");
}

fn draw(model: &Model, view: &mut View, size: (u16, u16)) -> Buffer {
    draw_in(model, view, size, true, None)
}

fn draw_in(
    model: &Model,
    view: &mut View,
    (width, height): (u16, u16),
    has_colours: bool,
    away: Option<(&str, Duration)>,
) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let interval = Duration::from_secs(2);
    let screen = Screen { address: "http://127.0.0.1:9090", interval, model: Some(model), away, has_colours };
    screen.draw(&mut buffer, view);
    buffer
}

/// The text of each line, without the blanks at its end.
fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[Cell]| cells.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned();
    buffer.content().chunks(width).map(line).collect()
}
