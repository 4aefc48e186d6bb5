"""The first cause for doubt about a value, in words that quote nothing of a secret."""

from __future__ import annotations

import pytest

from plugin import inputs
from plugin.doctor.doubts import doubt

TOKEN, PASSWORD, PATHS = (inputs.inputs()[name] for name in ("api-token", "password", "artifacts"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"s3cret-token"', "has quotes around it"),
        ("'s3cret-token'", "has quotes around it"),
        ("“s3cret-token”", "has quotes around it"),
        ("${{ secrets.DIST_TOKEN }}", "holds `${{ }}`"),
        ("$(DIST_TOKEN)", "is `$(NAME)`"),
        ("x${{ secrets.DIST_TOKEN }}", "holds `${{ }}`"),
        ("${DIST_TOKEN}", "is `${NAME}`"),
        ('<+secrets.getValue("dist")>', "is `<+…>`"),
        ("{{ dist_token }}", "is `{{ }}`"),
        ("***", "is a mask"),
        ("[secret]", "is a mask"),
        ("Bearer s3cret", "begins with the word of a header"),
        ("Token token=s3cret", "begins with the word of a header"),
        ("  s3cret more ", "has a blank in it"),
        ("s3cret\tmore", "has a blank in it"),
        ("s3cret\nmore", "has a line break in it"),
        ("s3cret\u200b", "holds an invisible character (U+200B)"),
        ("\ufeffs3cret", "holds an invisible character (U+FEFF)"),
        ("s3crét", "has characters that are not ASCII"),
    ],
)
def test_a_doubtful_token_is_a_problem(text: str, said: str) -> None:
    found = doubt(text, TOKEN)
    assert found
    assert found.said.startswith(said)
    assert (found.is_certain, bool(found.do)) == (True, True)
    assert "s3cr" not in found.said + found.do


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("changeme", "is probably a placeholder"),
        ("YOUR-TOKEN-HERE", "is probably a placeholder"),
        ("my-company-token", "is probably a placeholder"),
        ("<token>", "is probably a placeholder"),
        ("xxxxxxxx", "is probably a placeholder"),
        ("null", "is probably a placeholder"),
        ("$ecret2024", "is `$NAME`"),
        ("$DIST_TOKEN", "is `$NAME`"),
        ("%DIST_TOKEN%", "is `%NAME%`"),
        ("API_TOKEN=s3cret", "begins with `NAME=`"),
        ("abc=def", "begins with `NAME=`"),
        ('"s3cret', "has a quote at one end"),
        ("s3cret'", "has a quote at one end"),
    ],
)
def test_what_a_token_may_be_is_a_warning(text: str, said: str) -> None:
    found = doubt(text, TOKEN)
    assert found
    assert found.said.startswith(said)
    assert (found.is_certain, bool(found.do)) == (False, True)
    assert "s3cr" not in found.said + found.do


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" s3cret", "begins or ends with blanks, which is cut off"),
        ("s3cret\n", "begins or ends with a line break, which is cut off"),
        ("s3cret\r\n", "begins or ends with a line break, which is cut off"),
    ],
)
def test_blanks_at_the_ends_are_a_warning(text: str, said: str) -> None:
    for field in (TOKEN, PASSWORD):
        found = doubt(text, field)
        assert found
        assert (found.said, found.is_certain) == (said, False)


@pytest.mark.parametrize("text", ["s3cret-token", "a$b", "abc==", "eyJhbGciOi.J9-_~+/", "test-7f3a", "x'y"])
def test_a_usual_token_raises_no_doubt(text: str) -> None:
    assert doubt(text, TOKEN) is None


@pytest.mark.parametrize("text", ["pass word", "pässword1", "a=b", "Bearer of news", "“"])
def test_a_usual_password_raises_no_doubt(text: str) -> None:
    assert doubt(text, PASSWORD) is None


@pytest.mark.parametrize(
    ("text", "is_certain"),
    [("'hunter2'", False), ("x${{ secrets.PASSWORD }}", True), ("a\nb", False)],
)
def test_a_password_may_look_odd_but_not_be_an_expression(text: str, is_certain: bool) -> None:
    found = doubt(text, PASSWORD)
    assert found
    assert found.is_certain is is_certain


@pytest.mark.parametrize("text", ["$ecret2024", "%Summer2024%", "$(PASSWORD)", "${PASSWORD}", "{{a}}", "***", "test"])
def test_the_form_of_an_odd_password_is_not_shown(text: str) -> None:
    found = doubt(text, PASSWORD)
    assert found
    assert (found.said, found.is_certain) == ("may be a reference or a placeholder", False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$BUILD_DIR/*.apk", "holds $BUILD_DIR, which was not replaced"),
        ("out/${VARIANT}.apk", "holds ${VARIANT}, which was not replaced"),
        ("$(Build.Directory)/*.apk", "holds $(Build.Directory), which was not replaced"),
        ('"out/*.apk"', "has quotes around it, which count as part of it"),
        ("out/app\xa0.apk", "holds an invisible character (U+00A0)"),
        ("out/*.{apk,ipa}", None),
        ("odd $x.apk", None),
    ],
)
def test_a_path_may_hold_what_was_not_replaced(text: str, said: str | None) -> None:
    found = doubt(text, PATHS)
    assert (found.said if found else None) == said
    assert not (found and found.is_certain)
