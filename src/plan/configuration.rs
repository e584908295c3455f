//! mdadm.conf beside the arrays that there are: what is wrong in it, and the lines that it lacks.

use std::{collections::BTreeSet, fmt::Write as _};

use superblock::{Level, MdUuid};

use super::{Plan, Refusal, Step, SystemStep, TextChange, Warning};
use crate::{
    config::{
        HostName, Metadata,
        conf::{self, ArrayLine, ArrayLineName, Config, Diagnostic, Repeated},
        sources::{ConfigFile, ConfigPlace, ConfigTexts, USUAL},
        unused::{self, Unused},
    },
    model::status::ArrayStatus,
};

/// Something about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRemark {
    /// Something is not understood, or contradicts itself; else worth knowing.
    pub wrong: bool,
    /// File and line, counted from 1.
    pub place: Option<(String, usize)>,
    /// The sentence.
    pub text: String,
}

impl ConfigRemark {
    fn note(place: Option<&(String, usize)>, text: String) -> Self {
        Self { wrong: false, place: place.cloned(), text }
    }

    fn wrong(place: Option<&(String, usize)>, text: String) -> Self {
        Self { wrong: true, ..Self::note(place, text) }
    }
}

/// What a configuration is compared with.
#[derive(Clone, Debug, Default)]
pub struct ConfigBeside {
    /// The arrays that there are.
    pub arrays: Vec<ArrayStatus>,
    /// The arrays whose metadata was found.
    pub on_devices: BTreeSet<MdUuid>,
    /// Members of arrays that run, which no DEVICE line allows.
    pub kept_away: Vec<String>,
    /// Our own file of receivers names one.
    pub has_receiver: bool,
    /// PROGRAM's file is not there, or cannot be executed.
    pub no_program: bool,
    /// The machine's own name.
    pub host: Option<String>,
    /// The files that everybody can write.
    pub open_to_all: Vec<String>,
}

/// What there is to say.
#[must_use]
pub fn check((config, diagnostics): (&Config, &[Diagnostic]), beside: &ConfigBeside) -> Vec<ConfigRemark> {
    let ConfigBeside { arrays, on_devices, kept_away, .. } = beside;
    let misread = |diagnostic: &Diagnostic| {
        let place = (diagnostic.file.clone(), diagnostic.line);
        ConfigRemark::wrong((diagnostic.line > 0).then_some(&place), diagnostic.text.clone())
    };
    let mut remarks: Vec<ConfigRemark> = diagnostics.iter().map(misread).collect();
    let lines: Vec<Placed<'_>> = config.arrays.iter().zip(&config.array_places).collect();
    for (nth, line) in lines.iter().enumerate() {
        remarks.extend(one_line(line, lines.get(..nth).unwrap_or_default(), arrays, on_devices));
    }
    for array in lacking(config, arrays) {
        let shown = array.shown();
        remarks.push(ConfigRemark::note(None, format!("{shown} runs, and no ARRAY line names it")));
    }
    for array in arrays {
        let own = array.members.iter().filter_map(|member| member.path.as_ref());
        let away: Vec<&str> = own.filter(|path| kept_away.contains(path)).map(String::as_str).collect();
        if !away.is_empty() {
            let text = format!(
                "no DEVICE line allows {}: {} is not assembled from it next time",
                away.join(", "),
                array.shown()
            );
            remarks.push(ConfigRemark::wrong(None, text));
        }
    }
    for file in &beside.open_to_all {
        let text = format!(
            "{file} can be written by every user, who can have root run a program by it; chmod o-w takes that away"
        );
        remarks.push(ConfigRemark::wrong(None, text));
    }
    if let (Some(HostName::Named(name)), Some(host)) = (&config.home_host.name, &beside.host) {
        if name != host {
            let text = format!(
                "HOMEHOST is {}, and this machine is {host}: arrays of {host} count as those of another machine",
                name.escape_debug()
            );
            remarks.push(ConfigRemark::note(None, text));
        }
    }
    if let Some(program) = config.program.as_ref().filter(|_| beside.no_program) {
        let text = format!("PROGRAM {} is not there, or cannot be executed", program.escape_debug());
        remarks.push(ConfigRemark::wrong(None, text));
    }
    if config.mail_to.is_none() && config.program.is_none() && !beside.has_receiver {
        let text = "neither MAILADDR nor PROGRAM is set, so no one is told when a disk fails; `MAILADDR root` sends mail to root".to_owned();
        remarks.push(ConfigRemark::note(None, text));
    }
    remarks
}

/// What there is to say of the files: `others` are there and not read; `named` was asked for.
#[must_use]
pub fn check_files(texts: &ConfigTexts, others: &[String], named: Option<&str>) -> Vec<ConfigRemark> {
    let read = texts.first().map(|(path, _)| path.as_str()).unwrap_or_default();
    let absent = named.filter(|_| texts.is_empty()).map(|path| {
        ConfigRemark::wrong(None, format!("{path} is not there, or has no *.conf: nothing is configured"))
    });
    let passed = others
        .iter()
        .map(|other| ConfigRemark::wrong(None, format!("{other} is not read, because {read} is there")));
    let repeated = conf::repeated(texts).into_iter().map(|Repeated { keyword, place, first }| {
        let text = format!("a second {keyword}: the one in {}, line {} counts", first.0, first.1);
        ConfigRemark::wrong(Some(&place), text)
    });
    let unused = unused::unused(texts).into_iter();
    let unused = unused.map(|Unused { place, text }| ConfigRemark::wrong(Some(&place), text));
    absent.into_iter().chain(passed).chain(repeated).chain(unused).collect()
}

/// Where lines are added: the file itself, also where only files beside it are there.
#[must_use]
pub fn main_file<'a>(texts: &ConfigTexts, usual: &'a str) -> &'a str {
    let is_at = |place: &&ConfigPlace, path: &str| {
        path == place.file || path.rsplit_once('/').is_some_and(|(dir, _)| dir == place.directory)
    };
    let first = texts.first().and_then(|(path, _)| USUAL.iter().find(|place| is_at(place, path)));
    first.map_or(usual, |place| place.file)
}

type Placed<'a> = (&'a ArrayLine, &'a (String, usize));

fn one_line(
    (line, place): &Placed<'_>,
    before: &[Placed<'_>],
    arrays: &[ArrayStatus],
    on_devices: &BTreeSet<MdUuid>,
) -> Option<ConfigRemark> {
    let twice = |what: &str, at: &(String, usize)| {
        ConfigRemark::wrong(Some(place), format!("{what} as the line before it in {}, line {}", at.0, at.1))
    };
    let same = |(other, _): &&Placed<'_>| line.uuid.is_some() && other.uuid == line.uuid;
    if let Some((_, at)) = before.iter().find(same) {
        return Some(twice("names the same array", at));
    }
    let namesake =
        |(other, _): &&Placed<'_>| matches!(line.name, ArrayLineName::Word(_)) && other.name == line.name;
    if let Some((_, at)) = before.iter().find(namesake) {
        return Some(twice("gives its array the same name", at));
    }
    let uuid = line.uuid?;
    let Some(array) = arrays.iter().find(|array| array.uuid == Some(uuid)) else {
        let there = on_devices.contains(&uuid) || line.wants_container();
        return (!there)
            .then(|| ConfigRemark::note(Some(place), format!("no device here belongs to array {uuid}")));
    };
    if let Some(text) = other_shape(line, array) {
        return Some(ConfigRemark::wrong(Some(place), text));
    }
    match &line.name {
        ArrayLineName::Word(word) if !is_called(array, word) => Some(ConfigRemark::note(
            Some(place),
            format!("calls its array {}, which runs as {}", word.escape_debug(), array.shown()),
        )),
        ArrayLineName::Ignore => {
            Some(ConfigRemark::note(Some(place), format!("has {} ignored, and it runs", array.shown())))
        }
        ArrayLineName::Word(_) | ArrayLineName::Unnamed => None,
    }
}

/// What a line says of its array that is not so: then `--assemble` does not find it by the line.
fn other_shape(line: &ArrayLine, array: &ArrayStatus) -> Option<String> {
    let shown = array.shown();
    let told = |tag: &str, said: String, is: String| {
        format!("says {tag}={said}, and {shown} has {is}: it is not assembled by this line")
    };
    let name = |level: Level| level.name().unwrap_or("another level").to_owned();
    let disks = line.raid_devices.map(|said| (said, array.raid_disks));
    let disks = disks.filter(|(said, is)| array.is_running() && said != is);
    let level = line.level.zip(array.level).filter(|(said, is)| said != is);
    disks
        .map(|(said, is)| told("num-devices", said.to_string(), is.to_string()))
        .or_else(|| level.map(|(said, is)| told("level", name(said), name(is))))
        .or_else(|| {
            let metadata = &array.metadata;
            is_of_another_format(line, array).then(|| {
                format!(
                    "names another metadata format than {metadata}, which {shown} has: it is not assembled by this line"
                )
            })
        })
}

fn is_of_another_format(line: &ArrayLine, array: &ArrayStatus) -> bool {
    let both = line.metadata.zip(Metadata::from_name(&array.metadata));
    both.is_some_and(|both| match both {
        (Metadata::Default, _) | (Metadata::V1(None), Metadata::V1(_)) => false,
        (said, is) => said != is,
    })
}

/// Whether a line's word may be this array's.
fn is_called(array: &ArrayStatus, word: &str) -> bool {
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let path = array.path.as_deref().unwrap_or_default();
    let name = array.name.as_deref().unwrap_or_default();
    let own = name.rsplit(':').next().unwrap_or_default();
    [last(path).as_str(), own, &array.kernel_name].contains(&last(word).as_str())
        // The kernel's number stands for /dev/md/NUMBER, too.
        || array.kernel_name.strip_prefix("md") == Some(last(word).as_str())
}

/// Arrays with native metadata that run and that no line names.
#[must_use]
pub fn lacking<'a>(config: &Config, arrays: &'a [ArrayStatus]) -> Vec<&'a ArrayStatus> {
    let is_native = |array: &&ArrayStatus| array.metadata.starts_with(['0', '1']);
    let named = |array: &ArrayStatus, uuid: MdUuid| {
        config.arrays.iter().any(|line| match (&line.uuid, &line.name) {
            (Some(line), _) => *line == uuid,
            (None, ArrayLineName::Word(word)) => is_called(array, word),
            (None, ArrayLineName::Unnamed | ArrayLineName::Ignore) => false,
        })
    };
    let lacks = |array: &&ArrayStatus| array.uuid.is_some_and(|uuid| !named(array, uuid));
    arrays.iter().filter(|array| array.is_running()).filter(is_native).filter(lacks).collect()
}

/// The line that names an array.
#[must_use]
pub fn line(array: &ArrayStatus) -> String {
    let mut text = "ARRAY".to_owned();
    if let Some(path) = array.path.as_deref().and_then(quoted) {
        let _ = write!(text, " {path}");
    }
    let _ = write!(text, " metadata={}", array.metadata);
    if let Some(uuid) = array.uuid {
        let _ = write!(text, " UUID={uuid}");
    }
    text
}

/// As a word of the file; `None` where no quotes can hold it.
fn quoted(word: &str) -> Option<String> {
    if word.chars().any(|c| c.is_control() || c == '\u{fffd}') {
        return None;
    }
    if !word.contains([' ', '"', '\'', '#']) {
        return Some(word.to_owned());
    }
    let quote = ['"', '\''].into_iter().find(|quote| !word.contains(*quote))?;
    Some(format!("{quote}{word}{quote}"))
}

/// Adds the lines that are lacking at the end; what the file has stays as it is.
///
/// # Errors
/// The file is not a text.
pub fn write(file: &ConfigFile, config: &Config, arrays: &[ArrayStatus]) -> Result<Plan, Refusal> {
    let ConfigFile { path, text, mode, is_there } = file;
    let lines: Vec<String> = lacking(config, arrays).into_iter().map(line).collect();
    if lines.is_empty() {
        return Ok(Plan {
            summary: "every array that runs has its ARRAY line: nothing to add".to_owned(),
            ..Plan::default()
        });
    }
    if text.contains('\0') {
        return Err(Refusal::new(format!("{path} is not a text, so nothing is added to it"))
            .hint("mdctl config write FILE adds the lines to another file"));
    }
    let mut whole = text.clone();
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    whole.extend(lines.iter().flat_map(|line| [line.as_str(), "\n"]));
    let from = is_there.then(|| text.clone());
    let change = TextChange { path: path.clone(), from, to: Some(whole) };
    let step = SystemStep::EditFile { change, mode: *mode };
    Ok(Plan {
        summary: format!("add to {path}:\n{}", lines.join("\n")),
        steps: vec![Step::System(step), Step::Commit],
        warnings: vec![Warning::note(
            "the initramfs may contain a copy of the file: update-initramfs -u or dracut -f rebuilds it",
        )],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::conf::parse, words::ArrayState};

    const UUID: MdUuid = MdUuid([0x11; 16]);

    fn array(path: &str, uuid: MdUuid) -> ArrayStatus {
        ArrayStatus {
            kernel_name: "md127".into(),
            path: Some(path.into()),
            uuid: Some(uuid),
            state: ArrayState::Clean,
            metadata: "1.2".into(),
            raid_disks: 2,
            ..ArrayStatus::default()
        }
    }

    fn said(text: &str, arrays: &[ArrayStatus], on_devices: &[MdUuid]) -> Vec<String> {
        let (config, diagnostics) = parse([("/etc/mdadm.conf", text)]);
        let on_devices = on_devices.iter().copied().collect();
        let beside = ConfigBeside { arrays: arrays.to_vec(), on_devices, ..ConfigBeside::default() };
        let remarks = check((&config, &diagnostics), &beside);
        let shown = |remark: ConfigRemark| {
            let line = remark.place.map_or(0, |(_, line)| line);
            format!("{}{line} {}", if remark.wrong { "!" } else { "" }, remark.text)
        };
        remarks.into_iter().map(shown).collect()
    }

    #[test]
    fn what_is_wrong_and_what_is_worth_knowing() {
        let home = array("/dev/md/home", UUID);
        let mail = "MAILADDR root\n";
        let line = format!("ARRAY /dev/md/home UUID={UUID}\n");
        let none: &[String] = &[];
        assert_eq!(said(&format!("{mail}{line}"), std::slice::from_ref(&home), &[]), none);
        for (text, on_devices, expected) in [
            (mail.to_owned(), &[][..], "0 /dev/md/home runs, and no ARRAY line names it"),
            (
                line.clone(),
                &[],
                "0 neither MAILADDR nor PROGRAM is set, so no one is told when a disk fails; `MAILADDR root` sends mail to root",
            ),
            (
                format!("{mail}{line}{line}"),
                &[],
                "!3 names the same array as the line before it in /etc/mdadm.conf, line 2",
            ),
            (
                format!("{mail}{line}ARRAY /dev/md/home UUID={}\n", MdUuid([9; 16])),
                &[],
                "!3 gives its array the same name as the line before it in /etc/mdadm.conf, line 2",
            ),
            (
                format!("{mail}{line}ARRAY /dev/md/x UUID={}\n", MdUuid([9; 16])),
                &[],
                "3 no device here belongs to array 09090909:09090909:09090909:09090909",
            ),
            (
                format!("{mail}ARRAY /dev/md/srv UUID={UUID}\n"),
                &[],
                "2 calls its array /dev/md/srv, which runs as /dev/md/home",
            ),
            (format!("{mail}ARRAY <ignore> UUID={UUID}\n"), &[], "2 has /dev/md/home ignored, and it runs"),
            (
                format!("{mail}ARRAY /dev/md/home metadata=1.0 UUID={UUID}\n"),
                &[],
                "!2 names another metadata format than 1.2, which /dev/md/home has: it is not assembled by this line",
            ),
            (format!("{mail}{line}MAILADRR x\n"), &[], "!3 Unknown keyword MAILADRR"),
            (
                format!("{mail}ARRAY /dev/md/home num-devices=3 UUID={UUID}\n"),
                &[],
                "!2 says num-devices=3, and /dev/md/home has 2: it is not assembled by this line",
            ),
        ] {
            assert_eq!(said(&text, std::slice::from_ref(&home), on_devices), [expected], "{text}");
        }
        let away = format!("{mail}{line}");
        assert_eq!(said(&away, &[], &[UUID]), none, "an array that waits to be assembled is there");
    }

    #[test]
    fn whose_name_it_is_and_who_can_write_it() {
        let (config, _) = parse([("/etc/mdadm.conf", "MAILADDR root\nHOMEHOST other\n")]);
        let beside = ConfigBeside {
            host: Some("mine".into()),
            open_to_all: vec!["/etc/mdadm.conf".into()],
            ..ConfigBeside::default()
        };
        let said: Vec<(bool, String)> =
            check((&config, &[]), &beside).into_iter().map(|said| (said.wrong, said.text)).collect();
        assert!(said[0].0 && said[0].1.contains("every user"), "{said:?}");
        assert!(
            !said[1].0 && said[1].1.starts_with("HOMEHOST is other, and this machine is mine"),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_not_read_and_what_does_not_count() {
        let text = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let main = text("/etc/mdadm.conf", "MAILADDR a\n# MAILADDR b\nDEVICE /dev/a\nDEVICE /dev/b\n");
        let beside = text("/etc/mdadm.conf.d/x.conf", "\nmailaddr\n c\n");
        let others = ["/etc/mdadm/mdadm.conf".to_owned()];
        let said = check_files(&vec![main.clone(), beside.clone()], &others, None);
        let said: Vec<(usize, &str)> =
            said.iter().map(|it| (it.place.as_ref().map_or(0, |at| at.1), it.text.as_str())).collect();
        let expected = [
            (0, "/etc/mdadm/mdadm.conf is not read, because /etc/mdadm.conf is there"),
            (2, "a second MAILADDR: the one in /etc/mdadm.conf, line 1 counts"),
        ];
        assert_eq!(said, expected);
        assert!(check_files(&vec![], &[], Some("/x"))[0].text.starts_with("/x is not there"));
        assert_eq!(check_files(&vec![], &[], None), []);
        // Lines are not added to somebody else's part.
        assert_eq!(main_file(&vec![beside], "/etc/mdadm/mdadm.conf"), "/etc/mdadm.conf");
        assert_eq!(main_file(&vec![main], "/etc/mdadm/mdadm.conf"), "/etc/mdadm.conf");
        assert_eq!(main_file(&vec![], "/etc/mdadm/mdadm.conf"), "/etc/mdadm/mdadm.conf");
    }

    #[test]
    fn lines_are_added_and_nothing_else_changes() {
        let arrays = [array("/dev/md/home", UUID), array("/dev/md/a b", MdUuid([9; 16]))];
        let text = format!("# mine\nARRAY /dev/md0 UUID={UUID}");
        let (config, _) = parse([("/etc/mdadm.conf", text.as_str())]);
        let (path, is_there) = ("/etc/mdadm.conf".to_owned(), true);
        let file = ConfigFile { path, text: text.clone(), mode: 0o600, is_there };
        let plan = write(&file, &config, &arrays).unwrap();
        let Some(Step::System(SystemStep::EditFile { change, mode: 0o600 })) = plan.steps.first() else {
            panic!("{plan}")
        };
        assert_eq!(change.from.as_ref(), Some(&text));
        let Some(whole) = &change.to else { panic!("{plan}") };
        let line = "ARRAY \"/dev/md/a b\" metadata=1.2 UUID=09090909:09090909:09090909:09090909\n";
        assert_eq!(*whole, format!("{text}\n{line}"));
        // What was written is understood, and there is nothing to add any more.
        let (config, diagnostics) = parse([("/etc/mdadm.conf", whole.as_str())]);
        assert_eq!(diagnostics, []);
        assert!(
            write(&ConfigFile { text: whole.clone(), ..file.clone() }, &config, &arrays)
                .unwrap()
                .steps
                .is_empty()
        );
        assert!(write(&ConfigFile { text: "a\0".into(), ..file }, &Config::default(), &arrays).is_err());
    }

    #[test]
    fn odd_names_stay_one_word_or_are_left_out() {
        for (name, expected) in [
            ("/dev/md/home", Some("/dev/md/home")),
            ("/dev/md/a b", Some("\"/dev/md/a b\"")),
            ("/dev/md/a\"b", Some("'/dev/md/a\"b'")),
            ("/dev/md/a#b", Some("\"/dev/md/a#b\"")),
            ("/dev/md/a\"'b", None),
            ("/dev/md/a\nb", None),
        ] {
            assert_eq!(quoted(name).as_deref(), expected, "{name:?}");
        }
    }
}
