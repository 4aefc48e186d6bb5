"""Real Android apps: made by aapt and aapt2, signed by apksigner, and read by `aapt dump badging`."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_aapt = pytest.mark.skipif(
    not (shutil.which("aapt") and shutil.which("aapt2")), reason="aapt and aapt2 are not installed"
)
needs_apksigner = pytest.mark.skipif(
    not (shutil.which("apksigner") and shutil.which("keytool")), reason="apksigner and keytool are not installed"
)
# The part of Android's own resources that the apps here use: 12 kB in place of the SDK's android.jar.
ATTRIBUTES = {
    "label": ("0x01010001", "reference|string"),
    "minSdkVersion": ("0x0101020c", "integer|string"),
    "versionCode": ("0x0101021b", "integer"),
    "versionName": ("0x0101021c", "string"),
    "versionCodeMajor": ("0x01010576", "integer"),
}
KEY = ("--ks", "key.jks", "--ks-pass", "pass:password")


@dataclass(frozen=True)
class Source:
    """An app before it is built: the attributes of its manifest's elements, and its strings."""

    manifest: str = 'android:versionCode="1234" android:versionName="5.2.8"'
    uses_sdk: str = 'android:minSdkVersion="21"'
    application: str = 'android:label="@string/app_name"'
    strings: str = '<string name="app_name">Exämple 🎈</string>'
    german: str = '<string name="app_name">Beispiel</string>'


class Tools:
    """Android's tools in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._write("android/AndroidManifest.xml", '<manifest package="android"/>')
        public = "".join(f'<public type="attr" name="{name}" id="{id_}"/>' for name, (id_, _) in ATTRIBUTES.items())
        formats = "".join(f'<attr name="{name}" format="{form}"/>' for name, (_, form) in ATTRIBUTES.items())
        self._write("android/res/values/all.xml", f"<resources>{public}{formats}</resources>")
        self.run("aapt2", "compile", "--dir", "android/res", "-o", "android.zip")
        self.run("aapt2", "link", "-o", "android.apk", "--manifest", "android/AndroidManifest.xml", "android.zip")

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _lay_out(self, source: Source) -> None:
        shutil.rmtree(self.folder / "app", ignore_errors=True)
        self._write(
            "app/AndroidManifest.xml",
            '<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="com.example.app"'
            f" {source.manifest}><uses-sdk {source.uses_sdk}/><application {source.application}/></manifest>",
        )
        for folder, strings in (("values", source.strings), ("values-de", source.german)):
            self._write(f"app/res/{folder}/all.xml", f"<resources>{strings}</resources>")

    def link(self, source: Source, *options: str) -> Path:
        """Build an APK by aapt2, or with --proto-format the module of a bundle."""
        self._lay_out(source)
        self.run("aapt2", "compile", "--dir", "app/res", "-o", "app.zip")
        manifest = ("--manifest", "app/AndroidManifest.xml")
        self.run("aapt2", "link", *options, "-I", "android.apk", "-o", "app.apk", *manifest, "app.zip")
        return self.folder / "app.apk"

    def package(self, source: Source, *options: str) -> Path:
        """Build an APK by aapt, the older tool."""
        self._lay_out(source)
        files = ("-M", "app/AndroidManifest.xml", "-S", "app/res", "-F", "app.apk")
        self.run("aapt", "package", "-f", *options, "-I", "android.apk", *files)
        return self.folder / "app.apk"

    def bundle(self, source: Source) -> Path:
        """Build an AAB: aapt2's own messages where a bundle has them."""
        path = self.folder / "app.aab"
        with zipfile.ZipFile(self.link(source, "--proto-format")) as module, zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("BundleConfig.pb", b"")
            bundle.writestr("base/manifest/AndroidManifest.xml", module.read("AndroidManifest.xml"))
            bundle.writestr("base/resources.pb", module.read("resources.pb"))
        return path

    def sign(self, path: Path, *schemes: str) -> Path:
        """Sign an APK by the schemes given; return the signed one."""
        if not (self.folder / "key.jks").exists():
            made = ("-alias", "a", "-dname", "CN=a", "-keyalg", "EC", "-validity", "10000")
            self.run("keytool", "-genkeypair", "-keystore", "key.jks", "-storepass", "password", *made)
        (self.folder / "signed.apk.idsig").unlink(missing_ok=True)
        chosen = (f"--{each}-signing-enabled={str(each in schemes).lower()}" for each in ("v1", "v2", "v3", "v4"))
        self.run("apksigner", "sign", *KEY, *chosen, "--out", "signed.apk", path.name)
        return self.folder / "signed.apk"

    def verified(self, path: Path, level: str) -> list[str]:
        """Return the schemes that apksigner finds for an API level, v4 apart, which it asks a separate file for."""
        return re.findall(
            r"using (v\S+) scheme .*: true",
            self.run("apksigner", "verify", "-v", "--min-sdk-version", level, path.name),
        )

    def badging(self, path: Path) -> Mapping[str, str]:
        """Return what aapt reads in an APK, by the names of `App.as_json`."""
        text = self.run("aapt", "dump", "badging", path.name)
        patterns = {
            "package": r"^package: name='(.*?)'",
            "version": r"^package: .* versionName='(.*?)'",
            "version-code": r"^package: .* versionCode='(.*?)'",
            "minimum-system": r"^sdkVersion:'(.*?)'",
            "label": r"^application-label:'(.*)'",
        }
        found = {name: re.search(pattern, text, re.MULTILINE) for name, pattern in patterns.items()}
        return {name: match[1] for name, match in found.items() if match and match[1]}
