//! `relay completions` and `relay man`: input for a shell and for `man`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::Outcome;
use crate::say::write;

const SHELLS: &str = "For bash: relay completions bash > ~/.local/share/bash-completion/completions/relay\n\
    For zsh:  relay completions zsh > a directory of $fpath, as _relay\n\
    For fish: relay completions fish > ~/.config/fish/completions/relay.fish";

/// Prints the completions of the command for a shell
#[derive(Args, Debug)]
#[command(after_help = SHELLS)]
pub struct Completions {
    /// Shell that the completions are for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the manual page of the command, or of one of its subcommands
#[derive(Args, Debug)]
#[command(after_help = "To read it: relay man | man -l -")]
pub struct Man {
    /// Subcommand, such as sim
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub fn completions(flags: &Completions, mut command: Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut command, "relay", &mut script);
    write(&script)?;
    Ok(0)
}

pub fn man(flags: &Man, mut command: Command) -> Outcome {
    command.build();
    let page = match &flags.command {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).filter(|found| !found.is_hide_set()).cloned();
            let names = || command.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", ");
            found.ok_or_else(|| format!("there is no command {name:?}; expected one of {}", names()))?
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff).map_err(|error| error.to_string())?;
    write(&roff)?;
    Ok(0)
}
