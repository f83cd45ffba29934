//! The manual's tables of settings are those of the programs.

// A panic is how a test reports.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Command, CommandFactory};

const MANUAL: &str = include_str!("../../docs/settings.md");

/// Option and default of each environment variable.
type Settings = BTreeMap<String, (String, String)>;

/// What the manual says of a program.
fn told(program: &str) -> Settings {
    let section = MANUAL.split("\n## ").find(|section| section.starts_with(program)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        let [_, name, option, default, meaning, ..] = &*cells else { panic!("{row}") };
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let default = if default == "required" { "" } else { default };
        (name.clone(), (option.clone(), default.to_owned()))
    })
    .collect()
}

/// What a command and those below it take from the environment.
fn taken(command: &Command) -> Settings {
    let own = command.get_arguments().filter_map(setting);
    own.chain(command.get_subcommands().flat_map(taken)).collect()
}

fn setting(arg: &Arg) -> Option<(String, (String, String))> {
    let name = arg.get_env()?.to_str().unwrap().to_owned();
    let option = format!("--{}", arg.get_long().expect("each has a long option"));
    assert!(arg.get_help().is_some() || arg.get_long_help().is_some(), "{name} has no help");
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
    Some((name, (option, defaults.join(","))))
}

#[test]
fn every_setting_is_in_the_manual_with_its_option_and_default() {
    for (program, command) in
        [("booking-svc", booking_svc::cli::Cli::command()), ("ws-gateway", ws_gateway::cli::Cli::command())]
    {
        let (told, taken) = (told(program), taken(&command));
        let names = |settings: &Settings| settings.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&told), names(&taken), "{program}");
        assert_eq!(told, taken, "{program}");
    }
}
