"""Run inside a network namespace: start Orthanc, push a study, ask for it by QIDO-RS and WADO-RS, compare."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
from dicomweb_client.api import DICOMwebClient

from medsynth.export.pacs.push import push_folder

HTTP, DICOM = 18042, 14242
URL = f"http://127.0.0.1:{HTTP}/dicom-web"


def start(folder: Path, plugin: str) -> subprocess.Popen:
    settings = {
        "Name": "TEST", "StorageDirectory": str(folder / "store"), "IndexDirectory": str(folder / "store"),
        "HttpPort": HTTP, "DicomPort": DICOM, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False, "DicomAlwaysAllowStore": True, "UnknownSopClassAccepted": True,
        "Plugins": [plugin], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        return subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)


def answering(server: subprocess.Popen) -> DICOMwebClient:
    """Wait until it answers, 30 s at most."""
    client = DICOMwebClient(URL)
    client.set_http_retry_params(retry=False)
    for _ in range(300):
        try:
            client.search_for_studies()
            return client
        except OSError:
            assert server.poll() is None, "Orthanc ended"
            time.sleep(0.1)
    raise TimeoutError(URL)


def main() -> None:
    way, study, folder, plugin = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = start(folder, plugin)
    try:
        client = answering(server)
        sent = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, sorted(study.rglob("*.dcm")))}
        count = (push_folder(study, to=f"127.0.0.1:{DICOM}", aet="TEST") if way == "cstore"
                 else push_folder(study, stow=URL))
        assert count == len(sent)
        first = next(iter(sent.values()))
        uid = first.StudyInstanceUID
        found, = client.search_for_studies(search_filters={"PatientID": first.PatientID})
        assert found["0020000D"]["Value"] == [uid]
        series = client.search_for_series(uid)
        assert {row["00080060"]["Value"][0] for row in series} == {one.Modality for one in sent.values()}
        got = {one.SOPInstanceUID: one for one in client.retrieve_study(uid)}
        assert got.keys() == sent.keys()
        for key, one in sent.items():
            assert got[key].SyntheticData == "YES"
            if one.Modality == "CT":
                np.testing.assert_array_equal(got[key].pixel_array, one.pixel_array)
                assert got[key].ImagePositionPatient == one.ImagePositionPatient
        sys.stdout.write(f"{count} objects as sent\n")
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
