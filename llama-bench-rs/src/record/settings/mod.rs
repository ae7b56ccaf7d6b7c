//! Names of configurations: what differs between them, in the short names of llama-bench's flags (`ub 1024 fa 1`).

use std::fmt;

use crate::units::text::printable;

use super::{
    Config, Header, ModelInfo,
    parameters::{Parameter, differing},
};

/// A difference of a configuration from the others. Displayed as `ub 1024`, or as the value alone if it has no name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The short name of the flag, without its dash; empty for the model, the device and the build.
    pub name: String,
    /// The value, as the flag takes it.
    pub value: String,
    /// The flags of `sweep` for it, such as `-ub` and `1024`; empty without such a flag.
    pub flags: Vec<String>,
    /// Whether this value is the default.
    pub is_default: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            f.write_str(&self.value)
        } else {
            write!(f, "{} {}", self.name, self.value)
        }
    }
}

/// How each of these configurations differs from the others: model, device and build first, then settings in the order
/// of a command line. Empty for a single configuration, and if all are equal.
///
/// ```
/// use llama_bench_rs::record::{Header, settings};
///
/// let [mut small, mut large] = [Header::default(), Header::default()];
/// (small.config.n_ubatch, large.config.n_ubatch) = (Some(512), Some(1024));
/// let differing = settings(&[&small, &large]);
/// assert_eq!(differing[1][0].to_string(), "ub 1024");
/// assert_eq!(differing[1][0].flags, ["-ub", "1024"]);
/// ```
pub fn settings(headers: &[&Header]) -> Vec<Vec<Setting>> {
    let headers: &[Header] = &headers.iter().map(|header| known(header, headers)).collect::<Vec<_>>();
    let mut all: Vec<Vec<Setting>> = vec![Vec::new(); headers.len()];
    for ((settings, header), values) in all.iter_mut().zip(headers).zip(of_subject(headers, &MODEL)) {
        settings.extend(values.into_iter().map(subject));
        if let (Some(first), false) = (settings.first_mut(), header.model.filename.is_empty()) {
            first.flags = match &header.model {
                ModelInfo { like, .. } if !like.is_empty() => vec!["--like".to_owned(), like.clone()],
                ModelInfo { filename, .. } => vec!["-m".to_owned(), filename.clone()],
            };
        }
    }
    for properties in OTHERS {
        for (settings, values) in all.iter_mut().zip(of_subject(headers, properties)) {
            settings.extend(values.into_iter().map(subject));
        }
    }
    for field in of_config(headers) {
        for (settings, setting) in all.iter_mut().zip(field) {
            settings.extend(setting);
        }
    }
    all
}

/// The part of a header that is compared. A model that could not be loaded in one configuration is described as in one
/// that loaded it.
fn known(header: &Header, all: &[&Header]) -> Header {
    let is_same_file = |other: &&&Header| {
        other.model.filename == header.model.filename && !other.model.description.is_empty()
    };
    let loaded = all.iter().find(is_same_file).filter(|_| header.model.description.is_empty());
    Header {
        build: header.build.clone(),
        host: header.host.clone(),
        model: loaded.map_or(header, |loaded| loaded).model.clone(),
        config: header.config.clone(),
        ..Header::default()
    }
}

/// The name of each of these configurations: how it differs from the others, such as `ub 1024 fa 1`. Empty for a single
/// configuration; equal configurations have equal names.
///
/// ```
/// use llama_bench_rs::record::{FlashAttnSetting, Header, configuration_names};
///
/// let mut headers = vec![Header::default(); 2];
/// for (header, n_ubatch) in headers.iter_mut().zip([512, 1024]) {
///     header.config.n_ubatch = Some(n_ubatch);
///     header.config.flash_attn = Some(FlashAttnSetting::Auto);
/// }
/// headers[1].config.flash_attn = Some(FlashAttnSetting::On);
/// let names = configuration_names(&headers.iter().collect::<Vec<_>>());
/// assert_eq!(names, ["ub 512 fa auto", "ub 1024 fa 1"]);
/// ```
pub fn configuration_names(headers: &[&Header]) -> Vec<String> {
    settings(headers).iter().map(|settings| name(settings)).collect()
}

/// `gpt-oss 20B MXFP4 MoE, ub 1024 fa 1`.
fn name(settings: &[Setting]) -> String {
    let mut name = String::new();
    for (i, setting) in settings.iter().enumerate() {
        let is_subject = |setting: &Setting| setting.name.is_empty();
        match i.checked_sub(1).map(|before| is_subject(&settings[before])) {
            None => {}
            Some(true) => name += ", ",
            Some(false) => name += " ",
        }
        name += &setting.to_string();
    }
    printable(&name)
}

/// Names that are given more than once get a number, counted from 1; a name on its own stays as it is.
pub(crate) fn numbered(names: Vec<String>, number: impl Fn(usize, usize) -> String) -> Vec<String> {
    if names.len() < 2 {
        return names;
    }
    let labelled = |(i, name): (usize, &String)| {
        let same = |names: &[String]| names.iter().filter(|other| *other == name).count();
        match (same(&names), name.is_empty()) {
            (1, _) => name.clone(),
            (n_all, true) => number(same(&names[..=i]), n_all),
            (n_all, false) => format!("{name}, {}", number(same(&names[..=i]), n_all)),
        }
    };
    names.iter().enumerate().map(labelled).collect()
}

type Property = fn(&Header) -> String;

/// Properties in which models may differ, the most useful first.
const MODEL: [Property; 4] = [
    // Of a model that was not loaded only the file's name is known.
    |h| if h.model.description.is_empty() { file_name(h) } else { h.model.description.clone() },
    file_name,
    |h| h.model.filename.clone(),
    |h| h.model.size_bytes.map(|n| format!("{n} bytes")).unwrap_or_default(),
];
const OTHERS: [&[Property]; 3] = [
    &[device, |h| h.host.cpu_info.clone()],
    &[|h| h.host.backends.clone()],
    &[
        |h| if h.build.commit.is_empty() { String::new() } else { format!("build {}", h.build.commit) },
        |h| h.build.version.clone(),
        |h| h.build.compiler.clone(),
        |h| h.build.cmake_options.clone(),
    ],
];

/// For each configuration the values of the properties that distinguish more of them than the ones before do. Unknown values
/// are left out.
fn of_subject(headers: &[Header], properties: &[Property]) -> Vec<Vec<String>> {
    let mut told: Vec<Vec<String>> = vec![Vec::new(); headers.len()];
    for property in properties {
        let with = |(told, header): (&Vec<String>, &Header)| [&told[..], &[property(header)]].concat();
        let longer: Vec<Vec<String>> = told.iter().zip(headers).map(with).collect();
        if n_distinct(&longer) > n_distinct(&told) {
            told = longer;
        }
    }
    for values in &mut told {
        let mut kept: Vec<String> = Vec::new();
        for value in std::mem::take(values) {
            if !value.is_empty() && !kept.contains(&value) {
                kept.push(value);
            }
        }
        *values = kept;
    }
    told
}

fn subject(value: String) -> Setting {
    Setting { name: String::new(), value, flags: Vec::new(), is_default: false }
}

fn n_distinct(values: &[Vec<String>]) -> usize {
    values.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// The parameters that differ, in the order of a command line; `None` if a configuration does not say.
fn of_config(headers: &[Header]) -> Vec<Vec<Option<Setting>>> {
    let configs: Vec<&Config> = headers.iter().map(|header| &header.config).collect();
    let setting = |parameter: &Parameter, config: &Config| {
        Some(Setting {
            name: parameter.name.into(),
            value: parameter.word(config)?,
            flags: parameter.flags(config),
            is_default: parameter.is_default(config),
        })
    };
    let of_parameter = |parameter| configs.iter().map(|config| setting(parameter, config)).collect();
    differing(&configs).into_iter().map(of_parameter).collect()
}

/// The GPU, or without one the CPU.
pub(crate) fn device(header: &Header) -> String {
    let host = &header.host;
    if host.gpu_info.is_empty() { host.cpu_info.clone() } else { host.gpu_info.clone() }
}

/// The last part of the model's path, of any system.
fn file_name(header: &Header) -> String {
    let path = &header.model.filename;
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests;
