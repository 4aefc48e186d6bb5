"""APKs and bundles that Android's own tools made, each field compared with `aapt dump badging`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from plugin.files import apps
from tests.unit.files.apps.android import Source, Tools, needs_aapt, needs_apksigner

pytestmark = needs_aapt

SOURCES = {
    "usual": Source(),
    "literal label": Source(application='android:label="A\\u0027b &amp; c"'),
    "long label": Source(strings=f'<string name="app_name">{"Ä" * 190}</string>'),
    "label of a label": Source(
        strings='<string name="app_name">@string/real</string><string name="real">Real</string>'
    ),
    "label in no default": Source(strings="<string name='x'>x</string>", german="", application=""),
    "version in resources": Source(
        manifest='android:versionCode="7" android:versionName="@string/version"',
        strings='<string name="app_name">A</string><string name="version">1.0-β</string>',
    ),
    "nothing but a name": Source(manifest="", uses_sdk="", application=""),
    "codename of a system": Source(uses_sdk='android:minSdkVersion="Q"'),
    "largest code": Source(manifest='android:versionCode="2147483647" android:versionName="v1 (beta)"'),
    "many strings": Source(
        strings="".join(f'<string name="a{n}">{n}</string>' for n in range(500))
        + '<string name="app_name">Last</string>'
    ),
    "few strings in German": Source(
        uses_sdk='android:minSdkVersion="26"',
        strings="".join(f'<string name="a{n}">{n}</string>' for n in range(50)) + '<string name="app_name">A</string>',
    ),
}
BUILDS = {
    "aapt2": lambda tools, source: tools.link(source),
    "aapt2, sparse": lambda tools, source: tools.link(source, "--enable-sparse-encoding"),
    "aapt": lambda tools, source: tools.package(source),
    "aapt, UTF-16": lambda tools, source: tools.package(source, "--utf16"),
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("android"))


def said(path: Path) -> Mapping[str, Any]:
    return apps.read(path).as_json()


@pytest.mark.parametrize(
    ("name", "build"),
    [
        *((name, build) for name in SOURCES for build in ("aapt2", "aapt")),
        *(("few strings in German", build) for build in BUILDS),
        *(("label of a label", build) for build in BUILDS),
    ],
)
def test_an_apk_says_what_aapt_reads_in_it(name: str, build: str, tools: Tools) -> None:
    path = BUILDS[build](tools, SOURCES[name])

    assert said(path) == {"kind": "APK", **tools.badging(path), "signing": []}


@pytest.mark.parametrize("name", SOURCES)
def test_a_bundle_says_what_aapt_reads_in_its_apk(name: str, tools: Tools) -> None:
    wanted = tools.badging(tools.link(SOURCES[name]))

    assert said(tools.bundle(SOURCES[name])) == {"kind": "AAB", **wanted, "signing": []}


def test_the_contents_of_a_file_decide_its_kind(tools: Tools) -> None:
    renamed = tools.folder / "bundle.apk"
    shutil.copy(tools.bundle(Source()), renamed)

    assert apps.read(renamed).kind == "AAB"


def test_both_halves_of_a_version_code_count(tools: Tools) -> None:
    source = Source(manifest='android:versionCode="5" android:versionCodeMajor="2"')

    assert said(tools.link(source))["version-code"] == str((2 << 32) + 5)


@needs_apksigner
@pytest.mark.parametrize("schemes", [("v1",), ("v2",), ("v1", "v2", "v3"), ("v2", "v3", "v4")])
def test_an_apk_is_signed_as_apksigner_verifies(schemes: tuple[str, ...], tools: Tools) -> None:
    path = tools.sign(tools.link(Source()), *schemes)
    app = apps.read(path)
    found = [*tools.verified(path, "18" if "v1" in schemes else "24"), *(each for each in schemes if each == "v4")]

    assert list(app.signing) == found == list(schemes)
    assert str(app) == f"com.example.app 5.2.8 (1234), signed {'+'.join(schemes)}"


@needs_apksigner
def test_the_third_scheme_with_rotation_has_an_id_of_its_own(tools: Tools) -> None:
    path = tools.sign(tools.link(Source()), "v3")
    data = path.read_bytes()
    third, rotated = (id_.to_bytes(4, "little") for id_ in (0xF05368C0, 0x1B93AD61))
    path.write_bytes(data.replace(third, rotated))

    assert data.count(third) == 1
    assert apps.read(path).signing == ("v3.1",)
