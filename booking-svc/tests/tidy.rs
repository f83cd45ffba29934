//! The rules of style that no compiler holds: who may use whom, and what no file may have. Each rule is a row of a table,
//! with a text that breaks it and one that does not.

// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

/// A part of a program, and what of the program's own it may name.
type Layer = (&'static str, &'static [&'static str]);

/// The layers of the service. A part that is not listed (`lib`, `main`, `config`) wires or stands apart.
const SERVICE_LAYERS: [Layer; 11] = [
    ("domain", &[]),
    ("limits", &[]),
    ("tasks", &[]),
    ("gate", &["domain", "limits", "tasks"]),
    ("vault", &["domain", "limits", "tasks"]),
    ("board", &["domain", "limits", "tasks"]),
    ("venue", &["domain", "limits"]),
    ("identity", &["booking", "domain", "limits", "tasks"]),
    ("booking", &["board", "domain", "gate", "limits", "tasks", "vault"]),
    ("relay", &["booking", "domain", "limits", "tasks", "vault"]),
    ("grpc", &["booking", "domain", "identity", "limits", "tasks"]),
];
/// The same of the gateway. A session keeps the place that admission gave it, and so names `http`.
const GATEWAY_LAYERS: [Layer; 5] = [
    ("limits", &[]),
    ("upstream", &["limits"]),
    ("rooms", &["limits", "upstream"]),
    ("session", &["http", "limits", "rooms", "upstream"]),
    ("http", &["config", "limits", "rooms", "session", "upstream"]),
];
/// Where the layers are.
const PROGRAMS: [(&str, &[Layer]); 2] =
    [("booking-svc/src/", &SERVICE_LAYERS), ("ws-gateway/src/", &GATEWAY_LAYERS)];
/// The parts of a program that are no layer, and that layers could name.
const OTHERS: [&str; 2] = ["cli", "config"];
/// What of ours a crate may not name, in its code and in its dependencies.
const STRANGERS: [(&str, &[&str]); 7] = [
    ("loadtest/", &["booking-svc", "ws-gateway"]),
    ("ws-gateway/", &["booking-svc", "loadtest", "testkit"]),
    ("seat-board/", &["booking-svc", "loadtest", "testkit", "ws-gateway"]),
    ("model/", &["booking-svc", "loadtest", "seat-board", "testkit", "ticketengine", "ws-gateway"]),
    ("telemetry/", &["booking-svc", "loadtest", "seat-board", "testkit", "ws-gateway"]),
    ("testkit/", &["booking-svc", "loadtest", "ws-gateway"]),
    ("booking-svc/", &["loadtest", "ws-gateway"]),
];

/// This file: its examples break every rule.
const SELF: &str = "booking-svc/tests/tidy.rs";
const LINES_MAX: usize = 400;
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The header of a Lua script names all of these.
const LUA_HEADER: [&str; 4] = ["KEYS", "ARGV", "Reply", "Guarantee"];

/// A file by its path from the repository's root.
struct Source {
    path: String,
    text: String,
}

/// Looks at a file; says what is wrong in it, by line.
type Check = fn(&Source) -> Vec<(usize, String)>;

struct Rule {
    name: &'static str,
    check: Check,
    /// Path and text that break it.
    broken: (&'static str, &'static str),
    /// Path and text that look like it and are fine.
    fine: (&'static str, &'static str),
}

const RULES: [Rule; 13] = [
    Rule {
        name: "a part names only what its layer allows",
        check: layers,
        broken: ("booking-svc/src/gate/mod.rs", "use crate::{domain::Epoch,\n    vault::{self, Pool}};"),
        fine: (
            "booking-svc/src/gate/pool.rs",
            "use crate::domain::Booking; // not crate::vault\nuse super::vault;",
        ),
    },
    Rule {
        name: "a part of the gateway names only what its layer allows",
        check: layers,
        broken: ("ws-gateway/src/rooms/reader.rs", "use crate::{limits::TICK, session::Ticket};"),
        fine: ("ws-gateway/src/http/upgrade.rs", "use crate::{rooms::Rooms, session::Ticket};"),
    },
    Rule {
        name: "only gate names the redis crate",
        check: |source| outside(source, "gate", &["bb8_redis", "redis"]),
        broken: ("booking-svc/src/booking/mod.rs", "let script = redis::Script::new();"),
        fine: ("booking-svc/src/booking/mod.rs", "let url = config.redis; // redis::Client"),
    },
    Rule {
        name: "only vault names postgres and refinery",
        check: |source| outside(source, "vault", &["bb8_postgres", "tokio_postgres", "refinery"]),
        broken: ("booking-svc/src/lib.rs", "use bb8_postgres::tokio_postgres;"),
        fine: ("booking-svc/src/vault/pool.rs", "use bb8_postgres::tokio_postgres;"),
    },
    Rule {
        name: "only relay names rdkafka",
        check: |source| outside(source, "relay", &["rdkafka"]),
        broken: ("booking-svc/src/booking/mod.rs", "use rdkafka::producer::FutureProducer;"),
        fine: ("booking-svc/src/relay/mod.rs", "use rdkafka::producer::FutureProducer;"),
    },
    Rule {
        name: "a crate knows the wire types and none of the strangers",
        check: strangers,
        broken: ("loadtest/Cargo.toml", "[dependencies]\nbooking-svc = { path = \"../booking-svc\" }"),
        fine: (
            "loadtest/src/main.rs",
            "//! Loads booking-svc, and never links booking_svc.\nuse ticketengine::v1;",
        ),
    },
    Rule {
        name: "the board's crate stands alone",
        check: strangers,
        broken: ("seat-board/src/lib.rs", "use ws_gateway::limits;"),
        fine: ("seat-board/src/lib.rs", "//! For booking_svc and ws_gateway.\nuse ticketengine::v1;"),
    },
    Rule {
        name: "only tasks.rs spawns",
        check: spawns,
        broken: ("booking-svc/src/gate/pool.rs", "    tokio::spawn(async {});"),
        fine: ("booking-svc/src/gate/pool.rs", "    self.tasks.spawn(\"pool\", drive); // not tokio::spawn"),
    },
    Rule {
        name: "the gateway spawns by TaskTracker alone",
        check: spawns,
        broken: ("ws-gateway/src/http/listen.rs", "    let mut tasks = JoinSet::new();"),
        fine: ("ws-gateway/src/http/listen.rs", "    self.connections.spawn(served); // no JoinSet"),
    },
    Rule {
        name: "nothing is left for later",
        check: leftovers,
        broken: ("booking-svc/src/lib.rs", "fn serve() { todo!() }"),
        fine: ("docs/venue-files.md", "The method of todos."),
    },
    Rule {
        name: "no test is ignored",
        check: |source| if is_rust(source) { lines_with(source, &["#[ignore"]) } else { Vec::new() },
        broken: ("booking-svc/tests/it/main.rs", "#[ignore = \"slow\"]"),
        fine: ("booking-svc/tests/it/main.rs", "// #[ignore] is not allowed"),
    },
    Rule {
        name: "a file of code has at most 400 lines",
        check: length,
        broken: ("loadtest/src/main.rs", LONG),
        fine: ("docs/architecture.md", LONG),
    },
    Rule {
        name: "a Lua script says what it takes, answers and guarantees",
        check: lua_header,
        broken: (
            "booking-svc/src/gate/lua/get.lua",
            "-- KEYS 1\n-- ARGV 1\n-- Reply 1\nreturn 1 -- Guarantee",
        ),
        fine: (
            "booking-svc/src/gate/lua/get.lua",
            "-- Gets.\n-- KEYS 1\n-- ARGV 1\n-- Reply 1\n-- Guarantee 1\nreturn 1",
        ),
    },
];

/// One line too many.
const LONG: &str = {
    const BYTES: [u8; LINES_MAX + 1] = [b'\n'; LINES_MAX + 1];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

#[test]
fn the_repository_is_tidy() {
    let mut problems = Vec::new();
    let mut files = 0;
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "", &mut |path, file| {
        files += 1;
        if file.metadata().unwrap().len() > FILE_BYTES_MAX {
            problems.push(format!("{path}: over 1 MiB; does it belong here?"));
        } else if path != SELF
            && let Ok(text) = fs::read_to_string(file)
        {
            let source = Source { path, text };
            problems.extend(RULES.iter().flat_map(|rule| rule.problems(&source)));
        }
    });
    assert!(files > 20, "only {files} files: looked in the wrong place");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn each_rule_catches_what_it_is_for() {
    for rule in &RULES {
        let problems = |(path, text): (&str, &str)| {
            rule.problems(&Source { path: path.to_owned(), text: text.to_owned() })
        };
        assert!(!problems(rule.broken).is_empty(), "not caught: {}", rule.name);
        let fine = problems(rule.fine);
        assert!(fine.is_empty(), "caught without reason: {fine:?}");
    }
}

#[test]
fn names_are_found_in_each_way_of_writing_them() {
    let found = |path: &str, text: &str| {
        let source = Source { path: format!("booking-svc/src/{path}"), text: text.to_owned() };
        layers(&source).into_iter().map(|(line, _)| line).collect::<Vec<_>>()
    };
    assert_eq!(found("domain/seats.rs", "fn f() {}\nlet x = crate::gate::Pool::new();"), [2]);
    assert_eq!(found("domain/mod.rs", "use super::gate;"), [1]);
    assert_eq!(found("domain/seats.rs", "use super::super::gate;"), [1]);
    assert_eq!(found("gate/lua/run.rs", "use super::super::super::{domain, vault};"), [1]);
    assert_eq!(found("grpc/call.rs", "use crate::{\n    booking::{gate, vault},\n    vault,\n};"), [1]);
    assert_eq!(found("tasks.rs", "use super::gate;"), [1]);
    // A module of one's own may be called like a part.
    assert_eq!(found("domain/seats.rs", "use super::booking::Booking;"), []);
    assert_eq!(found("gate/mod.rs", "use crate::gate::keys;"), []);
    assert_eq!(found("lib.rs", "use crate::gate;"), []);
}

impl Rule {
    fn problems(&self, source: &Source) -> Vec<String> {
        let found = (self.check)(source).into_iter();
        found.map(|(line, what)| format!("{}:{line}: {}: {what}", source.path, self.name)).collect()
    }
}

/// Every file but hidden ones and what is built.
fn visit(folder: &Path, path: &str, see: &mut impl FnMut(String, &Path)) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        match entry.file_type().unwrap() {
            _ if name.starts_with('.') || ["target", "node_modules"].contains(&&*name) => {}
            kind if kind.is_dir() => visit(&entry.path(), &path, see),
            kind if kind.is_file() => see(path, &entry.path()),
            _ => {}
        }
    }
}

fn is_rust(source: &Source) -> bool {
    source.path.ends_with(".rs")
}

/// The part of a program in `folder` that a file belongs to, and how many `super`s lead from it to the crate.
fn part<'a>(source: &'a Source, folder: &str) -> Option<(&'a str, usize)> {
    let path = source.path.strip_prefix(folder)?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some((path.split('/').next()?, path.split('/').count()))
}

/// Lines without their comments, numbered from 1.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(source.text.lines()).map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
}

fn lines_with(source: &Source, needles: &[&str]) -> Vec<(usize, String)> {
    let bad = code(source).filter(|(_, line)| needles.iter().any(|needle| line.contains(needle)));
    bad.map(|(number, line)| (number, line.trim().to_owned())).collect()
}

fn layers(source: &Source) -> Vec<(usize, String)> {
    let found = PROGRAMS.iter().find_map(|(folder, all)| Some((part(source, folder)?, *all)));
    let Some(((own, depth), all)) = found else { return Vec::new() };
    let Some((_, allowed)) = all.iter().find(|(layer, _)| *layer == own) else { return Vec::new() };
    let known = |name: &str| all.iter().any(|(layer, _)| *layer == name) || OTHERS.contains(&name);
    let code: String = code(source).flat_map(|(_, line)| [line, "\n"]).collect();
    let supers = "super::".repeat(depth);
    let mut problems = Vec::new();
    for root in ["crate::", supers.as_str()] {
        for (start, _) in code.match_indices(root).filter(|(start, _)| !joined(&code[..*start])) {
            let line = code[..start].matches('\n').count() + 1;
            let names = heads(&code[start + root.len()..]);
            let bad = names.filter(|name| *name != own && known(name) && !allowed.contains(name));
            problems.extend(bad.map(|name| (line, format!("{own} names {name}"))));
        }
    }
    problems
}

/// Whether the next word is the end of a longer one, or of a path.
fn joined(before: &str) -> bool {
    before.ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c))
}

/// The first names of a path: one, or those of the outermost braces.
fn heads(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let mut end = 0;
    let mut starts = Vec::new();
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        let opens = at == 0 && c != '{' || depth == 1 && (c == '{' || c == ',');
        if opens {
            starts.push(at);
        }
        end = at;
        if depth == 0 {
            break;
        }
    }
    let ends_word = |c: char| !c.is_alphanumeric() && c != '_';
    starts.into_iter().filter(move |start| *start <= end).map(move |start| {
        let name = path[start..].trim_start_matches(|c: char| "{,".contains(c) || c.is_whitespace());
        name.split(ends_word).next().unwrap_or(name)
    })
}

/// Crates that only one part of the service may name.
fn outside(source: &Source, owner: &str, crates: &[&str]) -> Vec<(usize, String)> {
    match part(source, "booking-svc/src/") {
        Some((own, _)) if own != owner => {}
        _ => return Vec::new(),
    }
    let names = |line: &str| {
        crates.iter().any(|name| {
            line.match_indices(name).any(|(start, _)| {
                let after = &line[start + name.len()..];
                let used = after.starts_with("::") || line[..start].trim_end().ends_with("use");
                used && !joined(&line[..start])
            })
        })
    };
    code(source)
        .filter(|(_, line)| names(line))
        .map(|(number, line)| (number, line.trim().to_owned()))
        .collect()
}

fn strangers(source: &Source) -> Vec<(usize, String)> {
    let Some((_, names)) = STRANGERS.iter().find(|(folder, _)| source.path.starts_with(folder)) else {
        return Vec::new();
    };
    let crates: Vec<_> = names.iter().map(|name| name.replace('-', "_")).collect();
    let crates: Vec<_> = crates.iter().map(String::as_str).collect();
    if source.path.ends_with("Cargo.toml") {
        lines_with(source, &[names, crates.as_slice()].concat())
    } else if is_rust(source) {
        lines_with(source, &crates)
    } else {
        Vec::new()
    }
}

fn spawns(source: &Source) -> Vec<(usize, String)> {
    if is_rust(source) && source.path != "booking-svc/src/tasks.rs" {
        let mut needles = vec!["tokio::spawn", "task::spawn("];
        if source.path.starts_with("ws-gateway/src/") {
            needles.extend(["JoinSet", "thread::spawn", "spawn_local"]);
        }
        lines_with(source, &needles)
    } else {
        Vec::new()
    }
}

fn leftovers(source: &Source) -> Vec<(usize, String)> {
    let marks = ["TODO", "FIXME", "todo!"];
    let bad = (1..).zip(source.text.lines()).filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    bad.map(|(number, line)| (number, line.trim().to_owned())).collect()
}

fn length(source: &Source) -> Vec<(usize, String)> {
    let code = ["rs", "lua", "sql", "proto", "js", "mjs", "css", "html", "sh", "py"];
    let extension = source.path.rsplit_once('.').map(|(_, extension)| extension);
    let lines = source.text.lines().count();
    let is_code = extension.is_none_or(|extension| code.contains(&extension));
    if is_code && lines > LINES_MAX { vec![(lines, format!("{lines} lines"))] } else { Vec::new() }
}

fn lua_header(source: &Source) -> Vec<(usize, String)> {
    if !source.path.ends_with(".lua") {
        return Vec::new();
    }
    let header: Vec<_> =
        source.text.lines().map_while(|line| line.strip_prefix("--")).map(str::trim).collect();
    let missing = LUA_HEADER.iter().filter(|word| !header.iter().any(|line| line.starts_with(**word)));
    missing.map(|word| (1, format!("no line begins with -- {word}"))).collect()
}
