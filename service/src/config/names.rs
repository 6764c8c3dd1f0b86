//! Names that are nearly right.
//!
//! In the environment anything may stand, so only what is very close to one of our names is worth a line, and
//! names that other systems use never are. In the file every name is ours.

use super::settings;

/// Prefix of our own variables: an unknown name behind it is a mistake.
pub(crate) const OURS: &str = "TAPE_";
/// The one known name with that prefix: the path of the configuration file.
pub(crate) const CONFIG_FILE: &str = "TAPE_CONFIG";
/// Behind the name of a secret: a file that holds it.
pub(crate) const FILE_SUFFIX: &str = "_FILE";
/// Nobody else calls a variable so.
const TOPIC_PREFIX: &str = "KAFKA_TOPIC_";

/// Settings of the old design, accepted and ignored, with what replaces them.
pub(crate) const RETIRED: &[(&str, &str)] = &[
    ("SPARK_MASTER", "WORKERS sets the number of threads, more processes of `tape process` share the work"),
    ("SPARK_CHECKPOINT_DIR", "STATE_DIR names the folder of the state"),
    ("SPARK_SHUFFLE_PARTITIONS", "KAFKA_PARTITIONS sets the number of partitions"),
];

/// Names of other systems that look like ours.
const OTHERS: &[&str] = &["APPID", "DB_TYPE", "DB_PATH", "LOG_LEVELS", "RETRY", "WORKER"];

/// What a name in the environment could have meant.
pub(crate) fn meant_in_environment(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    if upper != name && is_known(&upper) {
        return Some(upper);
    }
    if OTHERS.contains(&name) {
        return None;
    }
    nearest(name).or_else(|| name.starts_with(TOPIC_PREFIX).then(|| closest(name))).map(str::to_owned)
}

/// What a name in the file, or behind `TAPE_`, could have meant.
pub(crate) fn meant_in_file(name: &str) -> Option<String> {
    let rest = name.strip_prefix(OURS).unwrap_or(name);
    if is_known(rest) { Some(rest.to_owned()) } else { nearest(rest).map(str::to_owned) }
}

/// Is it the name or alias of a setting, or of a file with a secret?
pub(crate) fn is_known(name: &str) -> bool {
    settings::find(name).is_some() || secret_of_file(name).is_some()
}

/// The secret whose file `name` names.
pub(crate) fn secret_of_file(name: &str) -> Option<&'static settings::Setting> {
    name.strip_suffix(FILE_SUFFIX).and_then(settings::find).filter(|setting| setting.secret)
}

/// The setting that is no secret and yet has `_FILE` behind it.
pub(crate) fn open_with_file_suffix(name: &str) -> Option<&'static settings::Setting> {
    name.strip_suffix(FILE_SUFFIX).and_then(settings::find).filter(|setting| !setting.secret)
}

fn nearest(name: &str) -> Option<&'static str> {
    candidates().filter(|known| is_near(name, known)).min_by_key(|known| distance(name, known))
}

fn closest(name: &str) -> &'static str {
    candidates().min_by_key(|known| distance(name, known)).unwrap_or_default()
}

fn candidates() -> impl Iterator<Item = &'static str> {
    settings::all().flat_map(|setting| [Some(setting.name), setting.alias]).flatten()
}

/// A letter or two amiss, more in longer names; or one is the beginning of the other (`DB_PASS`).
fn is_near(name: &str, known: &str) -> bool {
    let tolerated = match known.len() {
        0..=8 => 1,
        9..=15 => 2,
        _ => 3,
    };
    let beginning = name.len() >= 7
        && known.len() >= 7
        && name.len().abs_diff(known.len()) <= 4
        && (name.starts_with(known) || known.starts_with(name));
    beginning || distance(name, known) <= tolerated
}

fn distance(name: &str, known: &str) -> usize {
    // Quadratic: nobody's names are that long.
    if name.len() > 64 { usize::MAX } else { strsim::damerau_levenshtein(name, known) }
}
