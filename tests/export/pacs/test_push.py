"""Sending: to a C-STORE service in a thread; what may not leave, and what an archive may answer."""

import gc
import shutil
import socket

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from medsynth.cli import app
from medsynth.export.pacs.push import PushError, outgoing, push_folder


@pytest.fixture
def archive():
    """A service that keeps what it gets; `status` is what it answers, `titles` whom it lets in."""
    from pynetdicom import AE, AllStoragePresentationContexts, evt

    class Archive:
        def __init__(self):
            self.kept, self.status, self.server = [], 0x0000, None

        def start(self, classes=None, title=None):
            entity = AE(ae_title=title or "ARCHIVE")
            entity.require_called_aet = title is not None
            syntaxes = [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.RLELossless]
            for one in classes or [c.abstract_syntax for c in AllStoragePresentationContexts] + [
                    "1.2.840.10008.5.1.4.1.1.66.7"]:
                entity.add_supported_context(one, syntaxes)

            def keep(event):
                if self.status == 0:
                    dataset = event.dataset
                    dataset.file_meta = event.file_meta
                    self.kept.append(dataset)
                return self.status

            self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
            return f"127.0.0.1:{self.server.socket.getsockname()[1]}"

    made = Archive()
    yield made
    if made.server:
        made.server.shutdown()


def test_every_object_arrives_with_its_pixels_and_its_mark(archive, study):
    files = sorted(study.rglob("*.dcm"))
    assert push_folder(study, to=archive.start()) == len(files) == len(archive.kept)
    kept = {one.SOPInstanceUID: one for one in archive.kept}
    for path in files:
        sent = pydicom.dcmread(path)
        got = kept[sent.SOPInstanceUID]
        assert got.SyntheticData == "YES"
        assert got.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        if "PixelData" in sent and sent.Modality == "CT":
            np.testing.assert_array_equal(got.pixel_array, sent.pixel_array)


def test_nothing_is_sent_where_one_object_is_not_marked_as_synthetic(archive, study, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(study, mixed)
    real = pydicom.dcmread(mixed / "ct" / "IM00003.dcm")
    del real.SyntheticData
    real.save_as(mixed / "ct" / "IM00003.dcm")
    with pytest.raises(PushError, match=r"IM00003.dcm is not marked as synthetic .* nothing was sent"):
        push_folder(mixed, to=archive.start())
    assert archive.kept == []


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # pynetdicom's, after a failed connection
@pytest.mark.filterwarnings("ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning")
def test_refusals_are_told_in_one_line(archive, study):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(PushError, match=rf"cannot send to {closed} as ANY-SCP: no answer"):
        push_folder(study, to=closed)
    gc.collect()  # the socket that it leaves open is closed here, in this test
    address = archive.start(title="ARCHIVE")
    with pytest.raises(PushError, match="as OTHER: it refused the association"):
        push_folder(study, to=address, aet="OTHER")
    archive.status = 0xA700
    with pytest.raises(PushError, match=r"took 0 of \d+ objects, then refused .*IM00001.dcm with status 0xA700"):
        push_folder(study, to=address, aet="ARCHIVE")


def test_an_archive_that_does_not_take_a_kind_of_object_is_named_with_the_file(archive, study):
    address = archive.start(classes=[pydicom.uid.CTImageStorage])
    with pytest.raises(PushError, match=r"took 9 of \d+ objects, then refused .*ct_lesions"):
        push_folder(study, to=address)


def test_folders_and_addresses_that_cannot_be_used_are_told_before_anything_is_sent(study, tmp_path):
    (tmp_path / "note.txt").write_text("no DICOM")
    with pytest.raises(PushError, match="holds no DICOM file"):
        push_folder(tmp_path, to="127.0.0.1:4242")
    with pytest.raises(PushError, match="a folder with DICOM files"):
        push_folder(tmp_path / "absent", to="127.0.0.1:4242")
    for wrong in ("127.0.0.1", ":104", "host:0", "host:port", "host:70000"):
        with pytest.raises(PushError, match="HOST:PORT"):
            push_folder(study, to=wrong)
    for both in ({}, {"to": "a:1", "stow": "http://a"}):
        with pytest.raises(PushError, match="one of the two"):
            push_folder(study, **both)


def test_stow_tells_what_the_server_said(study):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/dicom-web"
    with pytest.raises(PushError, match=rf"{closed} took 0 of \d+ objects, then: .*refused"):
        push_folder(study, stow=closed)
    with pytest.raises(PushError, match="URL of a DICOMweb service"):
        push_folder(study, stow="127.0.0.1")


def test_links_of_one_object_are_sent_once_and_an_index_never(study, tmp_path):
    folder = tmp_path / "twice"
    shutil.copytree(study, folder / "a")
    shutil.copytree(study, folder / "b")
    assert len(outgoing(folder)) == len(list(study.rglob("*.dcm")))


def test_the_command_prints_one_line(archive, study, tmp_path):
    done = CliRunner().invoke(app, ["push", str(study), "--to", archive.start()])
    assert (done.exit_code, done.stdout) == (0, f"{len(archive.kept)} objects sent\n")
    failed = CliRunner().invoke(app, ["push", str(tmp_path), "--to", "127.0.0.1:4242"])
    assert failed.exit_code == 2
    assert failed.stderr.strip().splitlines() == [f"error: {tmp_path} holds no DICOM file; make the dataset with "
                                                  "--formats dicom"]
