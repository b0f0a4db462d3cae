"""`git hone completion`: words for the shell to complete, for `git-hone` and for `git hone`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROG, VAR = "git-hone", "_GIT_HONE_COMPLETE"
GIT = {
    # git's bash completion calls _git_hone with `git` still the first word
    "bash": """
_git_hone() {
    local IFS=$'\\n' response value words_all="git-hone ${COMP_WORDS[*]:2}"
    response=$(IFS=' '; COMP_WORDS="$words_all" COMP_CWORD=$((COMP_CWORD - 1)) _GIT_HONE_COMPLETE=bash_complete git-hone)
    for value in $response; do
        case $value in
            plain,*) COMPREPLY+=("${value#plain,}") ;;
            dir,*) compopt -o dirnames 2>/dev/null ;;
            file,*) compopt -o default 2>/dev/null ;;
        esac
    done
}
""",
    "zsh": """
_git-hone() { words[1]=git-hone; _git_hone_completion; }
zstyle ':completion:*:*:git:*' user-commands hone:'record what became of every change an agent made'
""",
    "fish": """
complete --no-files --command git --condition '__fish_seen_subcommand_from hone' \\
    --arguments '(COMP_WORDS="git-hone "(string join " " (commandline -opc)[3..-1]) COMP_CWORD=(commandline -t) \\
_GIT_HONE_COMPLETE=fish_complete git-hone | string replace -r "^[a-z]+," "")'
complete --command git --condition '__fish_use_subcommand' --arguments hone --description 'git-hone'
""",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script of a shell.

    It completes `git-hone ...`, and `git hone ...` where git's own completion is loaded.

    \b
    Example:
      eval "$(git hone completion bash)"      in ~/.bashrc
      git hone completion fish > ~/.config/fish/completions/git-hone.fish
    """
    from git_hone.cli.app import main_group

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows the three
    made = kind(main_group, {}, PROG, VAR)
    click.echo(made.source_template % made.source_vars() + GIT[shell])
    return 0
