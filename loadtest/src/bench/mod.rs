//! The bench: what the system takes, held against a bare ceiling measured in the same run.

mod bare;
mod book;
mod ceiling;
mod contender;
mod fanout;
mod growth;
mod house;
mod lab;
mod latency;
mod load;
mod memory;
mod modes;
mod outcome;
mod progress;
mod reject;
mod report;
mod reserver;
mod rounds;
mod stock;
mod win;

pub(crate) use bare::serve as serve_bare;
pub(crate) use fanout::serve_writes;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use time::OffsetDateTime;

use self::{
    lab::Lab,
    outcome::Outcome,
    progress::Progress,
    report::{Facts, Machine, Sum},
};
use crate::{
    cli::{Bench, Scenario},
    error::Error,
    report::print,
};

/// Runs the scenarios and shows what they found. True when every audit is clean, and with `--strict` every bound holds.
///
/// # Errors
/// A scenario could not be measured; what the others found is shown all the same.
pub(crate) async fn run(options: &Bench) -> Result<bool, Error> {
    let mut scenarios = options.scenarios.clone();
    if scenarios.is_empty() {
        scenarios = Scenario::ALL.into();
        scenarios.retain(|scenario| *scenario != Scenario::Modes || !options.modes.is_empty());
    }
    let began = Instant::now();
    let lab = Lab::open(options, Arc::new(Progress::new(scenarios.len()))).await?;
    let mut facts = facts(&lab, &scenarios).await?;
    // Memory is measured on a service that has not yet seen the largest houses.
    scenarios.sort_by_key(|scenario| (*scenario != Scenario::Memory, *scenario));
    let (mut outcomes, mut failed) = (Vec::new(), None);
    for scenario in scenarios {
        lab.progress.begin(scenario.name());
        match run_one(&lab, scenario).await {
            Ok(outcome) => outcomes.push((scenario, outcome)),
            // The others say something all the same.
            Err(error) => {
                lab.progress.complain(scenario.name(), &error);
                outcomes.push((scenario, Outcome::failed(scenario.name(), &error.to_string())));
                failed = Some(error);
            }
        }
        lab.progress.end();
    }
    drop(lab);
    outcomes.sort_by_key(|(scenario, _)| *scenario);
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    facts.took_s = began.elapsed().as_secs();
    show(options, &facts, &outcomes)?;
    let sum = Sum::of(&outcomes);
    match failed {
        // A broken promise is worse news than a measurement that failed.
        Some(error) if sum.broken == 0 => Err(error),
        _ => Ok(sum.broken == 0 && (sum.missed == 0 || !options.strict)),
    }
}

async fn run_one(lab: &Lab, scenario: Scenario) -> Result<Outcome, Error> {
    match scenario {
        Scenario::Reject => reject::run(lab).await,
        Scenario::Win => win::run(lab).await,
        Scenario::Book => book::run(lab).await,
        Scenario::Latency => latency::run(lab).await,
        Scenario::Fanout => fanout::run(lab).await,
        Scenario::Growth => growth::run(lab).await,
        Scenario::Memory => memory::run(lab).await,
        Scenario::Modes => modes::run(lab).await,
    }
}

/// The table on standard output, the rest in files.
fn show(options: &Bench, facts: &Facts, outcomes: &[Outcome]) -> Result<(), Error> {
    print(report::table(outcomes))?;
    for outcome in outcomes {
        for note in &outcome.notes {
            print(format_args!("{}: {note}", outcome.scenario))?;
        }
    }
    if cfg!(debug_assertions) {
        print(
            "A debug build: the bare server and the client are many times slower, and no ratio says anything.",
        )?;
    }
    let folder = options.out.clone().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        PathBuf::from(format!(".dev/bench/{}", now.as_secs()))
    });
    fs::create_dir_all(&folder).map_err(|source| Error::Report { path: folder.clone(), source })?;
    report::write_json(&folder.join("results.json"), facts, outcomes)?;
    report::write_html(&folder.join("report.html"), facts, outcomes)?;
    print(format_args!("\n{}", folder.join("report.html").display()))
}

async fn facts(lab: &Lab, scenarios: &[Scenario]) -> Result<Facts, Error> {
    let now = OffsetDateTime::now_utc();
    let date = format!(
        "{}-{:02}-{:02} {:02}:{:02} UTC",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute()
    );
    // A build outside of git has no name.
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = commit.ok().filter(|done| done.status.success());
    let [redis, postgres] = lab.store_versions().await?;
    let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name()).collect();
    Ok(Facts {
        date,
        took_s: 0,
        commit: commit
            .map_or_else(|| "unknown".into(), |done| String::from_utf8_lossy(&done.stdout).trim().into()),
        machine: Machine::read(),
        redis,
        postgres,
        arguments: names.join(" "),
        quick: lab.options.quick,
    })
}
