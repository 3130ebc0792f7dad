"""Snapshots from the Materials Project's own API server, by its own client, through a proxy that makes every fault."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import yaml

pytest.importorskip("emmet.api", reason="emmet-api is not installed (make install-test)")

from cgcnn import tables
from cgcnn.errors import InputError
from cgcnn.sources import materials_project, polite_session
from cgcnn.sources.materials_project import SNAPSHOT, fetch_snapshot, read
from cgcnn.sources.polite_session import Patience
from tests import ROOT
from tests.materials_project.proxy import PASSING, RETRY_AFTER, Proxy
from tests.materials_project.server import DB_VERSION, KEY

pytestmark = pytest.mark.xdist_group("materials_project")

STEP = "40" if os.environ.get("CGCNN_TEST_DATA") else "12"  # every so many materials are served: 140 or 164
QUERY = yaml.safe_load((ROOT / "config.yaml").read_text())["source"]["materials_project"] | {"oxides": 20}
HASTE = Patience(attempts=3, first_wait=0.01, longest_wait=0.3, read=60, first_read=60, pause=0)
WRONG_KEY = "w" * 32


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "tests.materials_project.server", port, STEP], cwd=ROOT) as process:
        while process.poll() is None:
            try:
                requests.get(f"{url}/heartbeat", timeout=60)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        assert process.poll() is None, "the server did not start"
        yield url
        process.terminate()


@pytest.fixture(scope="module", autouse=True)
def small_pages() -> Iterator[None]:
    """Several pages and batches, though the server holds little; no settings of whoever runs this."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(materials_project, "BATCH", 20)
        patched.setattr(materials_project, "PAGE", 30)
        patched.setitem(materials_project.SETTINGS, "PMG_MAPI_KEY", None)
        patched.setenv("MP_API_KEY", KEY)
        yield


def fetch(endpoint: str, folder: Path, patience: Patience = HASTE) -> bytes:
    """The bytes of the snapshot file; answers are kept in the folder `state` beside it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MP_API_ENDPOINT", endpoint)
        table, about = fetch_snapshot(QUERY, folder / "state", patience)
    tables.write_table(folder / "snapshot.parquet", table, SNAPSHOT, about)
    return (folder / "snapshot.parquet").read_bytes()


def patience_with(fault: str) -> Patience:
    return replace(HASTE, read=1, first_read=1) if fault == "hang" else HASTE


def kept(folder: Path) -> int:
    """How many answers are there."""
    return len(list(folder.glob("state/*/*.json")))


def refusal(endpoint: str, folder: Path, patience: Patience = HASTE) -> str:
    """What is said to the user, one line without the key."""
    with pytest.raises(InputError) as caught:
        fetch(endpoint, folder, patience)
    said = str(caught.value)
    assert said.startswith("Materials Project: ")
    assert "\n" not in said
    assert KEY not in said
    assert WRONG_KEY not in said
    return said


@pytest.fixture(scope="module")
def undisturbed(server: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[str]]:
    """The snapshot, and what was asked for it."""
    with Proxy(server) as proxy:
        return fetch(proxy.endpoint, tmp_path_factory.mktemp("undisturbed")), proxy.questions()


def test_a_snapshot_holds_one_level_of_theory_and_says_what_it_is(undisturbed: tuple[bytes, list[str]]) -> None:
    table = pq.read_table(pa.BufferReader(undisturbed[0]))
    about = {key.decode(): json.loads(value) for key, value in table.schema.metadata.items()}
    assert table.schema.names == SNAPSHOT.names
    assert set(table["thermo_type"].to_pylist()) == {"GGA_GGA+U"}
    assert table["family"].to_pylist().count("oxide") == QUERY["oxides"]
    assert table["family"].to_pylist().count("perovskite") > 10
    assert all(table["reason"].to_pylist())
    assert about["source_version"] == DB_VERSION
    assert about["licence"] == "CC BY 4.0"
    assert "Jain" in about["attribution"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_at_the_start_passes(
    fault: str, server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    """Of the heartbeat, and of the first list of ids."""
    with Proxy(server, [fault, "", fault]) as proxy:
        assert fetch(proxy.endpoint, tmp_path, patience_with(fault)) == undisturbed[0]
        assert len(proxy.questions()) == len(undisturbed[1]) + 1


def test_every_fault_in_turn_gives_the_same_bytes(
    server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    """Every other request goes wrong, each time otherwise: of ids, energies and structures."""
    lasting = [fault for fault in (*PASSING, "short page") if fault != "hang"]
    with Proxy(server, chain.from_iterable(("", fault) for fault in lasting)) as proxy:
        assert fetch(proxy.endpoint, tmp_path) == undisturbed[0]
        assert next(proxy.faults, None) is None, "some faults were never made"
        assert set(proxy.questions()) == set(undisturbed[1])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("429", "quota used up"),
        ("500", "server down"),
        ("503", "server down"),
        ("hang", "did not answer"),
        ("reset", "broke the connection"),
        ("cut body", "incomplete answer"),
        ("truncated json", "incomplete answer"),
        ("web page", "incomplete answer"),
        ("401", "refused the key"),
        ("403", "refused the key"),
        ("404", "does not take the request"),
    ],
)
@pytest.mark.parametrize("answered", [0, 4])
def test_a_fault_that_stays_is_one_line(fault: str, words: str, answered: int, server: str, tmp_path: Path) -> None:
    with Proxy(server, chain(repeat("", answered), repeat(fault))) as proxy:
        assert words in refusal(proxy.endpoint, tmp_path, patience_with(fault))
        assert len(proxy.asked) <= answered + HASTE.attempts
        assert kept(tmp_path) == max(0, answered - 1)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["empty json"], "names no database version"),
        (["", *repeat("empty json", 3)], "without data"),
        (["", *repeat("short page", 3)], "incomplete answer (29 of 30 materials"),
        (["", "twice"], "holds one twice"),
    ],
)
def test_an_answer_that_is_not_whole_is_never_taken(
    faults: list[str], words: str, server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    with Proxy(server, faults) as proxy:
        assert words in refusal(proxy.endpoint, tmp_path)
        assert fetch(proxy.endpoint, tmp_path) == undisturbed[0]


@pytest.mark.parametrize(
    ("path", "fault", "words"),
    [
        ("/materials/thermo/", "other theory", "not one GGA_GGA+U energy"),
        ("/materials/thermo/", "twice", "not one GGA_GGA+U energy"),
        ("_fields=material_id,structure", "twice", "1 of 20 structures are missing"),
    ],
)
def test_wrong_materials_are_never_taken(
    path: str, fault: str, words: str, server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    position = next(number for number, asked in enumerate(undisturbed[1], start=1) if path in unquote(asked))
    with Proxy(server, [*repeat("", position), fault]) as proxy:
        assert words in refusal(proxy.endpoint, tmp_path)
        assert fetch(proxy.endpoint, tmp_path) == undisturbed[0]


def test_a_database_that_changes_meanwhile_is_not_taken(
    server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    """The last request asks for the version once more."""
    with Proxy(server, [*repeat("", len(undisturbed[1]) + 1), "other version"]) as proxy:
        assert f"from version {DB_VERSION} to 2027.01.01" in refusal(proxy.endpoint, tmp_path)


@pytest.mark.parametrize("fault", ["429 seconds", "429 date"])
def test_it_waits_as_long_as_the_server_asks(fault: str, server: str, tmp_path: Path) -> None:
    patience = replace(HASTE, longest_wait=RETRY_AFTER)
    with Proxy(server, [fault, "401"]) as proxy:
        refusal(proxy.endpoint, tmp_path, patience)
        first, second = (time for time, _ in proxy.asked)
    assert second - first >= RETRY_AFTER - 1  # a date has whole seconds


def test_a_day_is_too_long_to_wait(server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path) -> None:
    with Proxy(server, ["429 day"]) as proxy:
        assert fetch(proxy.endpoint, tmp_path) == undisturbed[0]


def test_a_long_wait_is_announced(server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Proxy(server, ["429 seconds", "401"]) as proxy, pytest.MonkeyPatch.context() as patched:
        patched.setattr(polite_session, "_NOTICED", 0.5 * RETRY_AFTER)
        refusal(proxy.endpoint, tmp_path, replace(HASTE, longest_wait=RETRY_AFTER))
    assert f"(status 429); attempt 2 of 3 in {RETRY_AFTER} s" in caplog.text


def test_killed_again_and_again_it_asks_for_nothing_twice(
    server: str, undisturbed: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    """kill -9 while a request is under way: of ids, of energies and of structures."""
    expected, questions = undisturbed
    with Proxy(server) as proxy:
        for answered in (1, len(questions) // 2, len(questions) - 1):
            here = len(proxy.asked) + 1 + answered - kept(tmp_path)  # a heartbeat, and what is not there yet
            proxy.faults = chain(repeat("", here - len(proxy.asked)), ["hang"])
            process = multiprocessing.get_context("fork").Process(target=fetch, args=(proxy.endpoint, tmp_path))
            process.start()
            while process.is_alive() and len(proxy.asked) <= here:
                time.sleep(0.01)
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
            assert kept(tmp_path) == answered
        proxy.faults = iter(())
        assert fetch(proxy.endpoint, tmp_path) == expected
        assert len(proxy.questions()) == len(questions) + 3  # the requests that were under way
        assert set(proxy.questions()) == set(questions)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "set MP_API_KEY"),
        ("short", "the key in MP_API_KEY has 5 characters, not 32"),
        (WRONG_KEY, "refused the key (status 401)"),
    ],
)
def test_a_key_that_is_not_one_is_refused_at_once(
    key: str | None, words: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key:
        monkeypatch.setenv("MP_API_KEY", key)
    else:
        monkeypatch.delenv("MP_API_KEY")
    with Proxy(server) as proxy:
        assert words in refusal(proxy.endpoint, tmp_path)
        assert len(proxy.questions()) == (1 if key == WRONG_KEY else 0)


def test_without_network_it_says_so(tmp_path: Path) -> None:
    assert "cannot be reached (no network" in refusal(f"http://127.0.0.1:{free_port()}", tmp_path)


def test_on_a_terminal_there_is_one_line_and_no_key(server: str, tmp_path: Path) -> None:
    options = ["--query", json.dumps(QUERY), "--snapshot", str(tmp_path / "s"), "--state", str(tmp_path / "state")]
    command = [sys.executable, str(ROOT / "scripts/snapshot.py"), *options, "--log", str(tmp_path / "log")]
    environment = os.environ | {"MP_API_ENDPOINT": server, "MP_API_KEY": WRONG_KEY}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    line = f"Error: Materials Project: {server} refused the key (status 401)."
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert done.stderr == (tmp_path / "log").read_text()
    assert WRONG_KEY not in done.stdout + done.stderr


def test_a_mix_of_levels_of_theory_is_not_read(undisturbed: tuple[bytes, list[str]], tmp_path: Path) -> None:
    table = pq.read_table(pa.BufferReader(undisturbed[0]))
    kinds = ["R2SCAN", *table["thermo_type"].to_pylist()[1:]]
    mixed = table.set_column(table.schema.get_field_index("thermo_type"), SNAPSHOT.field("thermo_type"), [kinds])
    about = {key.decode(): json.loads(value) for key, value in table.schema.metadata.items()}
    tables.write_table(tmp_path / "mixed.parquet", mixed, SNAPSHOT, about)
    with pytest.raises(InputError, match="several levels of theory \\(GGA_GGA\\+U, R2SCAN\\)"):
        list(read(tmp_path / "mixed.parquet", []))
