"""The man page, the completions and docs/cli.md say what the program's own tables say."""

import json
import subprocess

import pytest

from conftest import BUILD, SOURCE, run, ucid

MAN = BUILD / "share" / "man" / "man1" / "ucid.1"
BASH = BUILD / "share" / "bash-completion" / "completions" / "ucid"
ZSH = BUILD / "share" / "zsh" / "site-functions" / "_ucid"
FISH = BUILD / "share" / "fish" / "vendor_completions.d" / "ucid.fish"


@pytest.fixture(scope="module")
def commands():
    return json.loads(ucid("help", "--json").stdout)["commands"]


def offered(*words):
    """What bash offers for the last word."""
    script = (f'source "{BASH}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ucid; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return run("bash", "-c", script, "bash", *words).stdout.split()


def test_every_command_answers_help(commands):
    for command in commands:
        said = ucid(*command["name"].split(), "--help").stdout
        assert said.startswith(f"usage: ucid {command['name']}")
        assert len(said.splitlines()) <= 50, f"{command['name']}: more than a screen"
        assert max(map(len, said.splitlines())) <= 88  # the length of an identifier in an example
        for option in command["options"]:
            assert f"--{option['name']}" in said


def test_the_man_page_renders_without_a_warning(commands):
    environment = {"LC_ALL": "C.UTF-8", "MANWIDTH": "200", "PATH": "/usr/bin:/bin"}
    page = run("man", "--warnings", "-l", MAN, env=environment)
    assert page.stderr == ""
    for command in commands:
        assert f"ucid {command['name']}" in page.stdout
        for option in command["options"]:
            assert f"--{option['name']}" in page.stdout


def test_bash_offers_commands_and_options(commands):
    firsts = {command["name"].split()[0] for command in commands}
    assert firsts <= set(offered("ucid", ""))
    for command in commands:
        words = command["name"].split()
        assert {f"--{o['name']}" for o in command["options"]} <= set(offered("ucid", *words, "--"))
        if len(words) == 2:
            assert words[1] in offered("ucid", words[0], words[1][:1])


def test_fish_offers_commands_and_options(commands):
    for command in commands:
        line = f"ucid {command['name']} --"
        said = run("fish", "--no-config", "-c", f"source {FISH}; complete -C {json.dumps(line)}").stdout
        got = {row.split("\t")[0] for row in said.splitlines()}
        assert {f"--{option['name']}" for option in command["options"]} <= got


def test_zsh_reads_the_completion():
    run("zsh", "-n", ZSH)


def test_the_document_is_the_one_that_the_program_writes():
    written = subprocess.run([SOURCE / "scripts" / "make-manual", BUILD / "ucid", "markdown"], capture_output=True,
                             text=True, check=True).stdout
    assert (SOURCE / "docs" / "cli.md").read_text() == written, \
        "scripts/make-manual build/ucid markdown > docs/cli.md mends this"
