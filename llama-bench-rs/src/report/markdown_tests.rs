use super::*;

#[test]
fn a_long_override_stands_below_the_table_once() {
    let run = |overrides: &str| Flat { tensor_buft_overrides: overrides.into(), ..Flat::default() };
    let [one, other] = [r"blk\.1\.=CPU;", r"blk\.2\.=CPU;"].map(|text| run(&text.repeat(40)));
    let (mut table, mut out) = (Markdown::default(), Vec::new());
    table.begin(&mut out, &one).unwrap();
    for row in [&one, &other, &one, &run("exps=CPU")] {
        table.row(&mut out, row).unwrap();
    }
    table.finish(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    for (row, shown) in rows.iter().zip(["| ot 1 ", "| ot 2 ", "| ot 1 ", "| exps=CPU "]) {
        assert!(row.contains(shown) && row.len() < 300, "{row}");
    }
    assert_eq!(text.matches(&one.tensor_buft_overrides).count(), 1, "{text}");
    assert!(text.contains(&format!("\not 2: {}\n", other.tensor_buft_overrides)), "{text}");
}

#[test]
fn energy_that_is_not_known_has_its_reason_below_the_table() {
    let row = |why: Option<&str>| Flat {
        outcome: Some(OutcomeKind::Measured),
        energy_unknown: why.map(Into::into),
        ..Flat::default()
    };
    let mut table = Markdown::default();
    table.show(Shown::default().joules(true));
    let mut out = Vec::new();
    table.begin(&mut out, &row(None)).unwrap();
    for why in [Some("there is no counter"), Some("there is no counter"), None] {
        table.row(&mut out, &row(why)).unwrap();
    }
    table.finish(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!((text.matches("unknown (1)").count(), text.matches("unknown (2)").count()), (2, 1), "{text}");
    assert!(text.contains("(1) energy: there is no counter\n(2) energy: the run was not metered"), "{text}");
}

#[test]
fn text_cannot_leave_its_cell() {
    assert_eq!(inline("a|b\nc\0"), "a\\|b c ");
}

#[test]
fn the_speed_of_light_is_shown_with_what_binds_or_why_it_is_not_known() {
    let row = |share: Option<f64>, why: Option<&str>| Flat {
        outcome: Some(OutcomeKind::Measured),
        light_share: share,
        light_binds: share.map(|_| "memory".into()),
        light_unknown: why.map(Into::into),
        ..Flat::default()
    };
    let mut table = Markdown::default();
    table.show(Shown::default().light(true));
    let mut out = Vec::new();
    table.begin(&mut out, &row(None, None)).unwrap();
    for row in [row(Some(0.252), None), row(None, Some("no work")), row(None, None)] {
        table.row(&mut out, &row).unwrap();
    }
    table.finish(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("of light") && text.contains("25.2 % (memory)"), "{text}");
    assert!(text.contains("(1) speed of light: no work\n(2) speed of light: the ceilings"), "{text}");
}
