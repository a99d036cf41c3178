//! The examples at the end of each help screen: one table, of which each command shows what begins with its own words.
//!
//! Promises that every command has some and every noun at least three, that each of them is understood by the grammar (a test
//! reads them all), and that none needs what the program does not have.

use clap::Command;

/// The command line and what it is for, in the order in which they are shown.
const EXAMPLES: &[(&str, &str)] = &[
    ("rowfeed demo", "see it work, nothing else needed"),
    ("rowfeed check postgres://cdc@db.internal:5432/shop", "can this database be captured? what to fix?"),
    ("rowfeed run --data ./data", "start the service"),
    ("rowfeed tail shop.public.orders --from -10", "live changes as readable diffs"),
    ("rowfeed run --config /etc/rowfeed/rowfeed.toml --set log.retention=3d", "settings from a file, and one over it"),
    ("rowfeed run --check-only", "are all files good? starts nothing"),
    ("rowfeed demo --rate 500", "more traffic"),
    ("rowfeed demo --no-traffic", "then change rows with the psql command it prints"),
    ("rowfeed check shop", "the connector of a file, with its secrets"),
    ("rowfeed check postgres://cdc@db.internal:5432/shop --sql", "what to fix, as a script"),
    ("rowfeed init postgres://cdc@db.internal:5432/shop", "all tables"),
    ("rowfeed init postgres://cdc@db.internal:5432/shop --tables public.*", "those of one schema"),
    ("rowfeed init", "asks for what it needs"),
    ("rowfeed tail", "all tables as they change"),
    ("rowfeed tail shop.public.* --from now-5m --no-follow", "the last five minutes, then end"),
    ("rowfeed tail shop.public.orders --json", "for jq, one object a line"),
    ("rowfeed tail shop.public.orders --where \"total > 100 and status = 'paid'\"", "what fulfils a condition"),
    ("rowfeed get shop.public.orders 42", "where a row stands now"),
    ("rowfeed get shop.public.lines '{\"order\":42,\"line\":1}' --json", "a key of two columns; the record for jq"),
    ("rowfeed get shop.public.orders 42 --wait 30s --newer-than 0:1842", "when it changes"),
    ("rowfeed topics list", "what there is"),
    ("rowfeed topics list -o wide", "with end offsets, compression, connector"),
    ("rowfeed topics show shop.public.orders", "partitions, offsets, who reads it"),
    ("rowfeed topics create mail.outbox --partitions 3", "a topic of your own"),
    ("rowfeed topics config shop.public.orders", "its settings"),
    ("rowfeed topics config shop.public.orders compression.type=zstd", "change one"),
    ("rowfeed topics delete mail.outbox", "asks first"),
    ("rowfeed subscriptions list", "what is delivered to whom, and how that goes"),
    ("rowfeed subscriptions show orders-hook", "one with its configuration (secrets masked)"),
    ("rowfeed subscriptions test orders-hook", "the newest change once, and the answer"),
    ("rowfeed subscriptions deliveries orders-hook --state failed", "what the receiver did not take"),
    ("rowfeed subscriptions replay orders-hook --from now-1h", "the last hour again"),
    ("rowfeed subscriptions pause orders-hook", "rest; the place is kept"),
    ("rowfeed subscriptions resume orders-hook", "go on"),
    ("rowfeed subscriptions delete orders-hook", "asks first"),
    ("rowfeed cache explain product:42", "its last invalidations: transaction, position, both phases"),
    ("rowfeed connectors list", "states, lag, trouble"),
    ("rowfeed connectors show shop", "one with its configuration (secrets masked)"),
    ("rowfeed connectors apply -f connectors/shop.toml", "make or change one"),
    ("rowfeed connectors diff -f connectors/shop.toml", "what that would change"),
    ("rowfeed connectors validate connectors/shop.toml", "its mistakes, without a service"),
    ("rowfeed connectors convert debezium-shop.json", "a Debezium connector as TOML"),
    ("rowfeed connectors pause shop", "rest; the slot keeps WAL meanwhile"),
    ("rowfeed connectors resume shop", "go on"),
    ("rowfeed connectors stop shop", "end its task; its position can be changed then"),
    ("rowfeed connectors restart shop", "begin its task again from its position"),
    ("rowfeed connectors restart shop crm --only-failed", "those of them that have failed"),
    ("rowfeed connectors delete shop", "asks first; topics and slot stay"),
    ("rowfeed connectors offsets show shop", "its position, as Kafka Connect prints it"),
    ("rowfeed connectors offsets set shop -f offsets.json", "take over another's, such as Debezium's"),
    ("rowfeed connectors offsets reset shop", "begin anew when it is resumed"),
    ("rowfeed groups list", "all groups with their lag"),
    ("rowfeed groups show mailer", "its lag in each partition, who reads it"),
    ("rowfeed groups seek mailer --to now-1h --dry-run", "where that would be"),
    ("rowfeed groups seek mailer --to start --topics shop.public.orders", "read a topic from its start"),
    ("rowfeed groups delete mailer", "asks first"),
    ("rowfeed status", "one screen"),
    ("rowfeed status --json", "the same for programs"),
    ("rowfeed snapshot start shop --table public.orders", "read a table again, beside the stream"),
    ("rowfeed snapshot status shop --follow", "how far, until it is over"),
    ("rowfeed snapshot status shop --follow --no-progress", "a line every 10 s"),
    ("rowfeed snapshot pause shop", "let it rest"),
    ("rowfeed snapshot resume shop", "go on"),
    ("rowfeed snapshot stop shop", "end it"),
    ("rowfeed bench", "this machine, with a temporary PostgreSQL"),
    ("rowfeed bench --url postgres://cdc@db.internal:5432/scratch --rate 2000 --dir /var/lib/rowfeed", "your own server and disk"),
    ("rowfeed bench --rate 200 --duration 5s --rows 10000 --no-ceiling --json", "a short one, for programs"),
    ("rowfeed config check", "are all files good?"),
    ("rowfeed config show", "every setting and where it comes from"),
    ("rowfeed config schema --json", "JSON Schema of rowfeed.toml, for editors"),
    ("rowfeed config schema --connector", "the options of a connector"),
    ("rowfeed config reload", "read the connector files again now"),
    ("rowfeed slots list", "what each slot keeps, who reads it"),
    ("rowfeed slots list --url postgres://cdc@db.internal:5432/shop", "of a database without a service"),
    ("rowfeed slots show shop_slot", "one of them"),
    ("rowfeed slots drop old_dbz", "asks first"),
    ("rowfeed context add prod --server https://rowfeed.internal:8083 --use", "name a service and ask it from now on"),
    ("rowfeed context use prod", "ask this one"),
    ("rowfeed context list", "all names; * is in use"),
    ("rowfeed context remove prod", "forget it"),
    ("rowfeed ready", "exit code 0 when it serves"),
    ("rowfeed tokens create grafana --scope read:metrics", "its secret is shown once"),
    ("rowfeed tokens list", "names and scopes"),
    ("rowfeed tokens revoke grafana", "refused from now on"),
    ("rowfeed log verify ./data", "read every byte and prove the log whole"),
    ("rowfeed log dump ./data", "frames and batches"),
    ("rowfeed log dump ./data --records", "every record too"),
    ("rowfeed explain", "all codes"),
    ("rowfeed explain pg/wal-level", "one of them, with what to do"),
    ("rowfeed completions bash > /etc/bash_completion.d/rowfeed", "names of topics and connectors come from the service"),
    ("rowfeed completions zsh > ~/.zfunc/_rowfeed", "for zsh"),
    ("rowfeed completions fish > ~/.config/fish/completions/rowfeed.fish", "for fish"),
    ("rowfeed man | man -l -", "read it"),
    ("rowfeed man --dir ./man1", "a page per command"),
    ("rowfeed version", "version, commit, machine"),
];

/// So many are shown on one screen.
const SHOWN_MAX: usize = 4;

/// The command with the examples of each of its commands.
pub fn add(command: Command) -> Command {
    dressed(command, "rowfeed")
}

fn dressed(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = command.after_help(text(path));
    names.iter().fold(command, |command, name| command.mut_subcommand(name, |below| dressed(below, &format!("{path} {name}"))))
}

fn of(path: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let begins = move |line: &str| line.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    EXAMPLES.iter().filter(move |(line, _)| begins(line)).take(SHOWN_MAX)
}

fn text(path: &str) -> String {
    let width = of(path).map(|(line, _)| line.len()).max().unwrap_or(0);
    let lines: Vec<String> = of(path).map(|(line, what)| format!("  {line:<width$}   {what}")).collect();
    format!("Examples:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_examples_and_every_example_is_a_command() {
        let root = super::super::grammar();
        for (line, _) in EXAMPLES {
            // What a shell does with the rest is the shell's.
            let words = line.split(['>', '|']).next().unwrap_or_default().split_whitespace();
            root.clone().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        let mut open = vec![("rowfeed".to_owned(), root)];
        while let Some((path, command)) = open.pop() {
            let (examples, nouns) = (of(&path).count(), command.get_subcommands().count());
            assert!(examples > 0 && (nouns < 3 || examples >= 3), "{path} has {examples} examples");
            open.extend(command.get_subcommands().map(|below| (format!("{path} {}", below.get_name()), below.clone())));
        }
    }
}
