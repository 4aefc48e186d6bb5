"""The log: no secret passes, nothing from elsewhere acts on the host."""

from __future__ import annotations

import io
import re
import time

import pytest

from plugin.hosts import HOSTS
from plugin.log import LONGEST, Dialect, Log
from plugin.redact import Redactor

SECRET = 'pä ss/"w0rd+x'


def written(dialect: Dialect | None = None) -> tuple[Log, io.StringIO]:
    stream = io.StringIO()
    return Log(stream, Redactor(), dialect), stream


def test_each_line_of_a_secret_of_several_lines_is_hidden() -> None:
    redact = Redactor()
    redact.add("first-line\nsecond-line")

    assert redact("x second-line y first-line") == "x *** y ***"


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.example.com/a?X-Amz-Signature=abc&x=1",
        "https://storage.example.com/a?Expires=1&Signature=abc%2F",
        "https://x.example.com/?auth_token=abc",
    ],
)
def test_the_query_of_a_signed_url_is_hidden_without_being_declared(url: str) -> None:
    assert Redactor()(f"cannot PUT {url} now") == f"cannot PUT {url.partition('?')[0]}?*** now"


def test_a_token_in_the_fragment_of_a_url_is_hidden() -> None:
    assert Redactor()("to https://a.example.com/x#access_token=abc&a=1") == "to https://a.example.com/x#***"


def test_the_query_of_an_address_without_a_signature_stays() -> None:
    assert Redactor()("see https://a.example.com/x?page=2#top") == "see https://a.example.com/x?page=2#top"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "ssh", "svn+ssh"])
@pytest.mark.parametrize("user", ["user:word", "user:w@rd", "token"])
def test_credentials_inside_a_url_are_hidden(scheme: str, user: str) -> None:
    assert Redactor()(f"{scheme}://{user}@proxy.example.com:3128/") == f"{scheme}://***@proxy.example.com:3128/"


ENDLESS = {
    "a query that never comes": "https://" * 50_000,
    "a signature that never ends": "https://a?" + "key" * 100_000,
    "lines": "\n" * 300_000,
    "the beginnings of colours": "\x1b[" + "1;" * 150_000,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_pathological_text_is_logged_quickly_and_cut(text: str) -> None:
    log, stream = written()
    started = time.process_time()
    log.line(text)
    with log.relay() as write:
        write(text.replace("\n", " "))  # of several lines each would be cut

    assert time.process_time() - started < 2
    assert len(stream.getvalue()) < 2 * LONGEST + 100


def test_a_secret_is_hidden_even_where_a_long_text_is_cut() -> None:
    log, stream = written()
    log.mask(SECRET)
    log.line("x" * (LONGEST - 5) + SECRET)

    assert SECRET[:5] not in stream.getvalue()


def test_no_mark_of_direction_and_no_foreign_line_end_reaches_the_log() -> None:
    log, stream = written()
    log.line("a\u202eb\u2066c\u2028d\x85e")
    with log.relay() as write:
        write("a\u202eb\u2066c\u2028d\x9b2Je")

    assert stream.getvalue() == "a b c d e\nabcd2Je\n"


def test_on_github_relayed_text_stands_between_unguessable_markers() -> None:
    log, stream = written(HOSTS["github"].dialect)
    with log.relay() as write:
        write("one")
    with log.relay() as write:
        write("two")

    first, one, end, second, _, _ = stream.getvalue().splitlines()
    token = first.removeprefix("::stop-commands::")
    assert (one, end) == ("one", f"::{token}::")
    assert len(token) == 32
    assert first != second


def test_relayed_text_keeps_its_colours_and_loses_what_moves_the_cursor() -> None:
    log, stream = written()
    with log.relay() as write:
        write("\x1b[32;1mgreen\x1b[0m\x1b[2K\x1b[1A\x1b(B\x1b]0;title\x07up\x07")

    assert stream.getvalue() == "\x1b[32;1mgreen\x1b[0mup\x1b[0m\n"


@pytest.mark.parametrize("between", ["\x1b[31m", "\x1b(B\x1b[m", "\x1b]0;title\x07", "\x1b]8;;https://e.example\x1b\\"])
def test_a_secret_that_a_terminal_would_join_is_hidden(between: str) -> None:
    log, stream = written()
    log.redact.add("s3cret")
    log.line(f"it is s3{between}cret")
    with log.relay() as write:
        write(f"it is s3{between}cret")

    assert re.sub(r"\x1b\[0?m", "", stream.getvalue().replace(between, "")) == "it is ***\n" * 2


def test_a_line_of_ours_carries_no_control_character() -> None:
    log, stream = written()
    log.line("a\x1b[31mb\x1b]0;title\x07\x1b(Bc\rd")

    assert stream.getvalue() == "abc d\n"


def test_a_github_error_is_one_command_with_its_lines_encoded() -> None:
    log, stream = written(HOSTS["github"].dialect)
    log.error("50% of\ntwo lines")

    assert stream.getvalue() == "::error title=buildferry::50%25 of%0Atwo lines\n"


def test_a_bitrise_error_is_one_red_block() -> None:
    log, stream = written(HOSTS["bitrise"].dialect)
    log.error("one\ntwo")

    assert stream.getvalue() == "\x1b[31;1mone\ntwo\x1b[0m\n"


def test_github_masks_a_secret_before_anything_can_show_it() -> None:
    log, stream = written(HOSTS["github"].dialect)
    log.mask("s3cret%")
    log.line("it is s3cret%")

    assert stream.getvalue() == "::add-mask::s3cret%25\nit is ***\n"


def test_groups_end_even_when_their_content_fails() -> None:
    log, stream = written(HOSTS["github"].dialect)
    with pytest.raises(ZeroDivisionError), log.group("upload"):
        raise ZeroDivisionError

    assert stream.getvalue() == "::group::upload\n::endgroup::\n"


def test_debug_lines_show_only_when_asked_for() -> None:
    log, stream = written()
    log.debug("quiet")
    log.verbose = True
    log.debug("loud")

    assert stream.getvalue() == "loud\n"


class Gone(io.StringIO):
    """A stream whose reader has gone, or whose disk is full."""

    def __init__(self, error: OSError | ValueError, method: str) -> None:
        super().__init__()
        self._error = error
        self._method = method

    def write(self, text: str) -> int:
        if self._method == "write":
            raise self._error
        return super().write(text)

    def flush(self) -> None:
        if self._method == "flush":
            raise self._error


@pytest.mark.parametrize("method", ["write", "flush"])
@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left"), ValueError("shut")]
)
def test_an_unwritable_log_does_not_end_the_run(error: OSError | ValueError, method: str) -> None:
    log = Log(Gone(error, method), Redactor(), HOSTS["github"].dialect)
    log.line("a")
    log.mask("s3cret")
    log.status("b")
    log.status("")
    with log.group("c"), log.relay() as write:
        write("d", "e")
    log.error("f")

    assert log.lost is error


def test_a_broken_log_stream_does_not_end_the_run() -> None:
    stream = io.StringIO()
    stream.close()
    log = Log(stream, Redactor())
    log.line("a")

    assert isinstance(log.lost, ValueError)


def test_a_writable_log_records_no_error() -> None:
    log, _ = written()
    log.line("a")

    assert log.lost is None


def test_a_variable_passed_on_stays_in_our_lines_and_not_in_a_relay() -> None:
    log, stream = written()
    log.redact.add("production", is_declared=False)
    log.line("deploy-production")
    with log.relay() as write:
        write("deploy-production")

    assert stream.getvalue() == "deploy-production\ndeploy-***\n"
