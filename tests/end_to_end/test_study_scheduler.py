"""``edgeseg study`` on a Dask cluster that runs already."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dask_processes import DaskProcesses
from processes import Workers, edgeseg, one_line
from scans import write_ct

distributed = pytest.importorskip("distributed")
pytest.importorskip("cryptography")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """One certificate for all, in the terms of Dask's configuration."""
    folder = tmp_path_factory.mktemp("certificates")
    security = distributed.Security.temporary()
    (folder / "cert.pem").write_text(security.tls_ca_file)
    (folder / "key.pem").write_text(security.tls_client_key)
    variables = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(folder / "cert.pem")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        for kind in ("cert", "key"):
            name = f"DASK_DISTRIBUTED__COMM__TLS__{role}__{kind.upper()}"
            variables[name] = str(folder / f"{kind}.pem")
    return variables


def test_a_head_behind_tls_takes_the_volumes(
    workers: Workers,
    certificates: Mapping[str, str],
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It alone has a group; nobody without a certificate may ask it."""
    scan, boards = write_ct(tmp_path / "ct.nii.gz"), tmp_path / "boards.toml"
    boards.write_text(f'[[board]]\nname = "pi"\nendpoint = "{workers.start().endpoint}"\n')
    with DaskProcesses(tmp_path / "dask", "tls", certificates) as dask:
        words = ("study", tiny_bundle, scan, "-o", tmp_path / "masks", "--scheduler", dask.address)
        one_line(edgeseg(*words), 2, "needs certificates", "DASK_DISTRIBUTED__COMM__TLS__CA_FILE")
        for name, value in certificates.items():
            monkeypatch.setenv(name, value)
        dask.worker()
        alone = edgeseg(*words, "--groups", "--patience", "1s")
        one_line(alone, 1, "no worker came within 1 s", "EDGESEG_BOARDS=", "--resources GROUP=1")
        dask.worker("--resources", "GROUP=1", EDGESEG_BOARDS=str(boards))
        ran = edgeseg(*words, "--groups")
    assert (ran.code, ran.err) == (0, "")
    mask: Any = nib.load(tmp_path / "masks" / "ct.nii.gz")
    assert np.any(np.asarray(mask.dataobj))


def test_a_volume_that_kills_every_worker_does_not_stop_the_rest(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """It is larger than the memory that a worker may take."""
    huge: Any = nib.Nifti1Image(np.zeros((512, 512, 1600), np.int16), np.eye(4))
    nib.save(huge, tmp_path / "huge.nii.gz")
    scan = write_ct(tmp_path / "small.nii.gz")
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with DaskProcesses(tmp_path / "dask", "tcp", once) as dask:
        dask.worker("--memory-limit", "500MB")
        words = ("-o", tmp_path / "masks", "--scheduler", dask.address, "--json")
        ran = edgeseg("study", tiny_bundle, tmp_path / "huge.nii.gz", scan, *words, timeout=120)
    assert ran.code == 1, ran
    huge_one, small = json.loads(ran.out)["volumes"]
    assert "2 workers in turn were lost over it" in huge_one["error"]
    assert small["statistics"]["slices"] == 5
    assert "1 of 2 volumes failed" in ran.err
    assert (tmp_path / "masks" / "small.nii.gz").exists()


def test_a_scheduler_that_is_not_there_is_said(tiny_bundle: Path, tmp_path: Path) -> None:
    scan = write_ct(tmp_path / "ct.nii.gz")
    words = ("-o", tmp_path / "masks", "--scheduler", "tcp://127.0.0.1:9")
    ran = edgeseg("study", tiny_bundle, scan, *words)
    one_line(ran, 1, "no Dask scheduler answers at tcp://127.0.0.1:9", "dask scheduler")
