use super::*;
use crate::record::CellWork;

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

/// A table of light, with a row for each of these.
fn of_light(rows: &[Flat]) -> String {
    let mut table = Markdown::default();
    table.show(Shown::default().light(true));
    let mut out = Vec::new();
    table.begin(&mut out, &Flat::default()).unwrap();
    for row in rows {
        table.row(&mut out, row).unwrap();
    }
    table.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A row with the lower end, the share and the upper end.
fn lit((lower, share, upper): (f64, f64, f64), uncounted: &[&str]) -> Flat {
    let uncounted = uncounted.iter().map(|name| ((*name).to_owned(), 1)).collect();
    Flat {
        outcome: Some(OutcomeKind::Measured),
        light_share: Some(share),
        light_share_lower: Some(lower),
        light_share_upper: Some(upper),
        light_binds: Some("memory".into()),
        cell_work: Some(CellWork { uncounted, ..CellWork::default() }),
        ..Flat::default()
    }
}

#[test]
fn the_speed_of_light_is_shown_with_what_binds_or_why_it_is_not_known() {
    let unknown = |why: Option<&str>| Flat {
        outcome: Some(OutcomeKind::Measured),
        light_unknown: why.map(Into::into),
        ..Flat::default()
    };
    let text = of_light(&[lit((0.2, 0.252, 0.3), &[]), unknown(Some("no work")), unknown(None)]);
    assert!(text.contains("of light") && text.contains(" 25.2 % (memory) |"), "{text}");
    assert!(text.contains("(1) speed of light: no work\n(2) speed of light: the ceilings"), "{text}");
}

#[test]
fn a_share_that_cannot_be_true_or_is_a_lower_bound_has_a_remark_below_the_table() {
    let rows = [
        lit((1.02, 1.1, 1.2), &[]),
        lit((0.09, 0.101, 0.11), &["RWKV_WKV7"]),
        lit((1.02, 1.1, 1.2), &["RWKV_WKV7"]),
        lit((0.08, 0.152, 3.87), &[]),
    ];
    let text = of_light(&rows);
    for shown in [
        " 110 % (memory) (1) |",
        " at least 10.1 % (memory) (2) |",
        " at least 110 % (memory) (1) (2) |",
        " 8.0 % to 387 % (memory) |",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(text.contains("\n(1) speed of light: above 100 %: "), "{text}");
    assert!(text.contains("\n(2) speed of light: the arithmetic of RWKV_WKV7 is not counted\n"), "{text}");
}
