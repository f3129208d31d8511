"""completion: what a shell needs to complete verbs and options."""

from __future__ import annotations

from trivium.cli.verb_more import CompletionVerb

WHERE = {
    "bash": "trivium completion bash > ~/.local/share/bash-completion/completions/trivium",
    "zsh": "trivium completion zsh > ~/.zfunc/_trivium, with fpath+=~/.zfunc before compinit in ~/.zshrc",
    "tcsh": "trivium completion tcsh > ~/.trivium-completion, and source it in ~/.tcshrc",
}
"""Shell -> where its script goes."""


def completion(command: CompletionVerb) -> int:
    """Print the script."""
    print(script(command.shell))
    return 0


def script(shell: str) -> str:
    """Return the script; its first line names the command where the shell asks for one there."""
    import contextlib
    import io

    import tyro

    from trivium.cli.main import command_line

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        tyro.cli(
            command_line(),
            args=["--tyro-print-completion", shell],
            prog="trivium",
            config=(tyro.conf.OmitArgPrefixes,),
        )
    first, _, rest = text.getvalue().strip().partition("\n")
    return f"{first}\n# Goes to: {WHERE[shell]}\n{rest}"
