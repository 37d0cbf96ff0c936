"""A real archive: Orthanc on the loopback of a network namespace of its own, where nothing else can be reached."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import medsynth

PLUGIN = next(iter(sorted(Path("/usr/lib/orthanc").glob("libOrthancDicomWeb.so*"))), None)
pytestmark = pytest.mark.skipif(shutil.which("Orthanc") is None or PLUGIN is None or shutil.which("ip") is None,
                                reason="Orthanc with its DICOMweb plugin is not installed")


@pytest.mark.parametrize("way", ["cstore", "stow"])
def test_orthanc_gives_back_what_was_pushed(way, study, tmp_path):
    script = Path(__file__).with_name("orthanc_session.py")
    namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace of one's own here")
    root = str(Path(medsynth.__file__).parents[1])
    done = subprocess.run([*namespace, sys.executable, str(script), way, str(study), str(tmp_path), str(PLUGIN)],
                          capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "PYTHONPATH": root})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("as sent")
