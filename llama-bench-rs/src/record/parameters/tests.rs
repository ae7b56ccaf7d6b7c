//! Every parameter of the table is reached by all that is made from it.

use super::*;
use crate::{
    baseline::Key,
    record::{Header, Run, configuration_names, settings},
    report::{FIELDS, Flat, Format, header_text, json_schema, to_string},
};

macro_rules! samples {
    (llama_bench { $($llama_bench:tt)* } own { $($own:tt)* }) => { samples! { $($llama_bench)* $($own)* } };
    ($(
        $(#[$($doc:tt)*])*
        $field:ident: $type:ty [$($row:tt)*] $known:tt [$other:expr] $from:tt $arg:tt;
    )*) => {
        /// The configuration with the table's other value in one parameter.
        pub(crate) fn changed(parameter: &Parameter, config: &Config) -> Config {
            let mut config = config.clone();
            match parameter.field {
                $( stringify!($field) => config.$field = $other, )*
                field => panic!("{field} is not in the table"),
            }
            config
        }
    };
}
parameters!(samples);

/// The defaults.
pub(crate) fn usual() -> Config {
    use crate::llama::{ContextParams, ModelParams};
    let context = ContextParams::default().n_threads(8).n_threads_batch(8);
    let sweep = crate::bench::Sweep::not_loaded(
        "a.gguf",
        &ModelParams::default(),
        crate::record::Failure { kind: "test".into(), message: "not there".into() },
    );
    sweep.context(context).prompt(1).header().unwrap().config
}

fn headers(one: Config, other: Config) -> [Header; 2] {
    [one, other].map(|config| Header { config, ..Header::default() })
}

fn each(check: impl Fn(&'static Parameter, Config, Config)) {
    let usual = usual();
    for parameter in PARAMETERS {
        check(parameter, usual.clone(), changed(parameter, &usual));
    }
}

#[test]
fn every_parameter_is_a_field_of_the_configuration_and_has_a_name() {
    let Ok(serde_json::Value::Object(config)) = serde_json::to_value(Config::default()) else {
        panic!("an object")
    };
    let fields: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.field).collect();
    assert_eq!(config.len(), fields.len());
    for parameter in PARAMETERS {
        assert!(config.contains_key(parameter.field), "{}", parameter.field);
        assert!(!parameter.name.is_empty(), "{} has no short name", parameter.field);
        let same_name = PARAMETERS.iter().filter(|other| other.name == parameter.name).count();
        assert_eq!(same_name, 1, "{} is the name of several", parameter.name);
    }
    assert!(order::READING.iter().all(|field| fields.contains(field)));
    let mut read: Vec<&str> = in_reading_order().map(|parameter| parameter.field).collect();
    read.sort_unstable();
    let mut all = fields;
    all.sort_unstable();
    assert_eq!(read, all, "each once");
}

#[test]
fn defaults_are_what_is_measured_if_nothing_is_asked_for() {
    let usual = usual();
    for parameter in PARAMETERS {
        let depends_on_the_machine = ["n_threads", "n_threads_batch"].contains(&parameter.field);
        assert_eq!(parameter.is_default(&usual), !depends_on_the_machine, "{}", parameter.field);
        assert!(!parameter.is_default(&changed(parameter, &usual)), "{}", parameter.field);
        let is_off = parameter.absent.is_some();
        assert_eq!(parameter.word(&Config::default()).is_some(), is_off, "{}", parameter.field);
    }
}

#[test]
fn each_is_named_as_a_difference_unless_one_does_not_tell_it() {
    each(|parameter, one, other| {
        let [one, other] = headers(one, other);
        let found: Vec<String> = one.differences(&other).into_iter().map(|it| it.field).collect();
        assert_eq!(found, [format!("config.{}", parameter.field)]);
        assert_eq!(one.differences(&one.clone()), []);
        let told = usize::from(parameter.absent.is_some());
        assert_eq!(
            Header::default()
                .differences(&headers(changed(parameter, &Config::default()), Config::default())[0])
                .len(),
            told
        );
    });
}

#[test]
fn each_names_a_configuration() {
    each(|parameter, one, other| {
        let word = parameter.word(&other).unwrap();
        let headers = headers(one, other);
        let headers = headers.each_ref();
        let expected = format!("{} {word}", parameter.name);
        assert_eq!(configuration_names(&headers)[1], expected);
        assert_eq!(settings(&headers)[1].len(), 1, "{expected}");
    });
}

#[test]
fn each_is_in_the_key_of_a_baseline_unless_it_changes_no_speed() {
    each(|parameter, one, other| {
        let keys = headers(one, other).map(|header| Key::of(&header));
        let differing: Vec<String> =
            keys[0].differences(&keys[1]).into_iter().map(|difference| difference.field).collect();
        assert_eq!(differing, Vec::from_iter(parameter.key()));
        assert_eq!(keys[0].fingerprint() != keys[1].fingerprint(), parameter.key().is_some());
    });
    let without: Vec<&str> =
        PARAMETERS.iter().filter(|it| it.key().is_none()).map(|parameter| parameter.field).collect();
    assert_eq!(without, ["seed", "n_reps", "stopping", "calibration"]);
}

#[test]
fn each_comes_back_from_a_row() {
    let schema = json_schema();
    each(|parameter, _, other| {
        let field = FIELDS.iter().find(|field| field.name == parameter.row);
        assert!(field.is_some_and(|field| !field.doc.is_empty()), "{}", parameter.row);
        assert!(schema["$defs"]["row"]["properties"].get(parameter.row).is_some(), "{}", parameter.row);
        let header = Header { config: other, ..Header::default() };
        let back = Flat::from(&header).config().map_err(|problem| problem.to_string());
        assert_eq!(back, Ok(header.config), "{}", parameter.field);
    });
}

#[test]
fn each_has_a_column_where_configurations_differ_unless_it_changes_no_speed() {
    each(|parameter, one, other| {
        let runs = headers(one, other).map(|header| {
            let test = crate::record::pp(8);
            let outcome = crate::record::Failure { kind: "test".into(), message: String::new() };
            let cell = crate::record::Cell {
                test,
                started_at: String::new(),
                outcome: crate::record::Outcome::Failed(outcome),
            };
            Run { header, cells: vec![cell], curve: Vec::new() }
        });
        let table = to_string(&crate::record::Report { runs: runs.to_vec() }, Format::Markdown).unwrap();
        let heading = parameter.column.map_or(parameter.name, |(heading, _)| heading);
        let headings: Vec<&str> = table.lines().next().unwrap().split('|').map(str::trim).collect();
        let is_shown = parameter.key().is_some() || parameter.column.is_some();
        assert_eq!(headings.contains(&heading), is_shown, "{}: {table}", parameter.field);
    });
}

#[test]
fn each_is_told_above_a_table() {
    let text = |config: Config| {
        header_text(&Run {
            header: Header { config, ..Header::default() },
            cells: Vec::new(),
            curve: Vec::new(),
        })
    };
    each(|parameter, one, other| {
        assert_ne!(text(one), text(other), "{} is told nowhere", parameter.field);
    });
}
