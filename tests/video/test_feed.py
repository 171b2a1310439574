"""Sources as a thread reads them: which frames, when, from where; gaps, drops, and what breaks."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread

import pytest
from PIL import Image

from gfnet_video.errors import VideoError
from gfnet_video.video.feed import ROOM, Clock, Feed, Shot
from gfnet_video.video.inbox import Inbox
from gfnet_video.video.samplers import uniform_indices
from gfnet_video.video.source import opened, shown
from gfnet_video.video.ticks import Timed, ticked
from tests.clips import encode, number, paint


def taken(feed: Feed) -> Iterator[Shot]:
    """All shots, as they come. Raises what ended the source."""
    while not feed.inbox.done:
        if (shot := feed.inbox.take()) is not None:
            yield shot
        else:
            with feed.inbox.bell:
                if not feed.inbox.ready:
                    assert feed.inbox.bell.wait(20)
    if feed.inbox.error:
        raise feed.inbox.error


@pytest.mark.parametrize(
    ("frames", "fps", "count"), [(36, 12, 8), (80, 25, 8), (100, 30, 7), (300, 29.97, 16), (9, 25, 8)]
)
def test_a_clip_long_source_gives_the_clips_samples(frames: int, fps: float, count: int) -> None:
    for digits in (9, 3):  # exact times, and a container's whole milliseconds
        timed = [Timed(round(i / fps, digits), 1 / fps, i) for i in range(frames)]
        assert [t.frame for t in ticked(timed, frames / fps / count)] == uniform_indices(frames, count)


def test_a_source_slower_than_the_ticks_gives_each_frame_once() -> None:
    timed = [Timed(float(i), 1.0, i) for i in range(20)]
    assert [t.frame for t in ticked(timed, 0.3)] == list(range(20))


def test_a_source_shorter_than_half_a_tick_gives_its_last_frame() -> None:
    assert [t.frame for t in ticked([Timed(i / 25, 1 / 25, i) for i in range(3)], 1.0)] == [2]
    assert not list(ticked(list[Timed[int]](), 1.0))


def test_a_file_is_read_whole_and_at_its_times(tmp_path: Path) -> None:
    """25 frames a second, wanted every 0.2 s: none of them lost, however slowly they are taken."""
    feed = Feed(str(encode(tmp_path / "a.mp4", 100)), 0.2, bell=Condition())
    shots = list(taken(feed))
    assert [number(s.pixels) for s in shots] == uniform_indices(100, 20)
    assert [s.number for s in shots] == list(range(1, 21)) and not feed.inbox.dropped
    assert all(abs(s.seconds - n / 25) < 1e-6 for s, n in zip(shots, uniform_indices(100, 20), strict=True))
    assert (shots[-1].gaps, shots[-1].turns) == (0, 0)


def test_a_named_pipe_and_an_address_give_what_the_file_gives(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.webm", 50, "vp9_webm").read_bytes()
    expected = [number(s.pixels) for s in taken(Feed(str(tmp_path / "a.webm"), 0.2, bell=Condition()))]
    assert expected == uniform_indices(50, 10)
    os.mkfifo(tmp_path / "pipe")
    Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True).start()
    piped = taken(Feed(str(tmp_path / "pipe"), 0.2, bell=Condition()))
    assert [number(s.pixels) for s in piped] == expected
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=serve, args=(server, data), daemon=True).start()
        feed = Feed(f"tcp://127.0.0.1:{server.getsockname()[1]}", 0.2, bell=Condition(), live=False)
        assert [number(s.pixels) for s in taken(feed)] == expected


def serve(server: socket.socket, data: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(data)


def test_what_is_not_taken_in_time_is_dropped_the_oldest_first() -> None:
    """Nobody takes until all 10 were put: the newest are there, in order."""
    inbox: Inbox[int] = Inbox(ROOM, drops=True, bell=Condition())
    assert all(inbox.put(i) for i in range(10))
    inbox.end()
    assert inbox.dropped == 10 - ROOM and not inbox.done
    assert [inbox.take() for _ in range(ROOM + 1)] == [6, 7, 8, 9, None] and inbox.done


def test_a_full_inbox_that_drops_nothing_holds_its_source_back_until_it_is_closed() -> None:
    inbox: Inbox[int] = Inbox(2, drops=False, bell=Condition())
    put: list[bool] = []
    thread = threading.Thread(target=lambda: put.extend(inbox.put(i) for i in range(4)))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive() and put == [True, True]
    assert inbox.take() == 0
    thread.join(0.2)
    assert thread.is_alive() and put == [True] * 3
    inbox.close()
    thread.join(5)
    assert not thread.is_alive() and put == [True] * 3 + [False] and inbox.dropped == 0


def test_the_clock_begins_at_nought_tells_gaps_and_never_runs_back() -> None:
    clock = Clock(every=0.5)
    stamps = [100.0, 100.1, 100.2, 103.2, 103.3, 103.25, 7.0, 7.1]  # a gap of 3 s, jitter, a camera that began anew
    found = [t.seconds for t in clock.run(Timed(s, 0.1, None) for s in stamps)]
    assert found == pytest.approx([0, 0.1, 0.2, 3.2, 3.3, 3.3, 3.4, 3.5])
    assert (clock.gaps, clock.turns) == (1, 1) and clock.lost == pytest.approx(2.9)


def test_a_source_that_is_slower_than_it_says_is_no_row_of_gaps() -> None:
    """A frame a second where 25 were promised: what is usual is learned from the frames."""
    clock = Clock(every=0.375)
    assert len(list(clock.run(Timed(float(i), 0.04, None) for i in range(60)))) == 60
    assert clock.gaps == 1


class Live(BaseHTTPRequestHandler):
    """A file's bytes, without a word of how many there are, as what is live is sent."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write((Path(self.server.folder) / self.path[1:]).read_bytes())  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("name", "live", "dropped"),
    [("a.mp4", None, 0), ("a.mp4", True, 16), ("live.webm", None, 16), ("fragments.mp4", None, 16)],
)
def test_a_recording_at_an_address_waits_and_what_is_live_is_dropped(
    tmp_path: Path, name: str, live: bool | None, dropped: int
) -> None:
    """Nobody takes before all has been read, or the inbox has stood full for a while."""
    fragments = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}
    encode(tmp_path / "a.mp4", 100), encode(tmp_path / "live.webm", 100, "vp9_webm", options={"live": "1"})
    encode(tmp_path / "fragments.mp4", 100, options=fragments)
    handler = partial(Files, directory=str(tmp_path)) if name == "a.mp4" else Live
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.folder = tmp_path  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        feed = Feed(f"http://127.0.0.1:{server.server_port}/{name}", 0.2, bell=Condition(), live=live)
        until = time.monotonic() + 20
        while time.monotonic() < until and not feed.inbox.ended and (dropped or len(feed.inbox._held) < ROOM):
            time.sleep(0.01)
        time.sleep(0.0 if dropped else 0.3)
        assert (len(feed.inbox._held), feed.inbox.dropped) == (ROOM, dropped)
        shots: list[Shot] = []
        with nullcontext() if name == "a.mp4" else pytest.raises(VideoError, match="breaks off after 100 frames"):
            shots.extend(taken(feed))
        assert [number(s.pixels) for s in shots] == uniform_indices(100, 20)[dropped:]
        server.shutdown()


class Camera(BaseHTTPRequestHandler):
    """JPEGs one after the other, ten a second, as cameras send them by HTTP: no word about time."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=frame")
        self.end_headers()
        for i in range(20):
            picture = io.BytesIO()
            Image.fromarray(paint(i)).save(picture, "JPEG", quality=95)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {picture.tell()}\r\n\r\n"
            self.wfile.write(head.encode() + picture.getvalue() + b"\r\n")
            time.sleep(0.1)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_pictures_without_times_come_when_they_arrive() -> None:
    """libav takes them for 25 a second; the twenty of them last two seconds, of which opening takes some."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        shots: list[Shot] = []
        with pytest.raises(VideoError, match="breaks off after 20 frames"):  # the camera hangs up
            shots.extend(taken(Feed(f"http://127.0.0.1:{server.server_port}/cam", 0.4, bell=Condition())))
        server.shutdown()
    assert 3 <= len(shots) <= 6 and 1.0 < shots[-1].seconds < 5
    assert [number(s.pixels) for s in shots] == sorted(number(s.pixels) for s in shots)


BAD = {
    "nosuch.mp4": "no such file",
    "0": "there is no camera /dev/video0",
    "gopher://host/x": "unknown kind of address 'gopher'",
    "tcp://127.0.0.1:9": "Connection refused",
    "TCP://127.0.0.1:9": "Connection refused",
}


@pytest.mark.parametrize("name", BAD)
def test_a_source_that_cannot_be_opened_says_so(name: str) -> None:
    if name == "0" and os.path.exists("/dev/video0"):
        pytest.skip("this machine has a camera")
    with pytest.raises(VideoError, match=BAD[name]):
        list(taken(Feed(name, 0.2, bell=Condition())))


def test_an_empty_pipe_and_one_of_noise_are_no_videos(tmp_path: Path) -> None:
    for data in (b"", b"no video" * 9999):
        os.mkfifo(tmp_path / f"pipe{len(data)}")
        Thread(target=(tmp_path / f"pipe{len(data)}").write_bytes, args=(data,), daemon=True).start()
        with pytest.raises(VideoError, match="cannot be opened"):
            list(taken(Feed(str(tmp_path / f"pipe{len(data)}"), 0.2, bell=Condition())))


def test_a_closed_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(VideoError, match="-: standard input is closed"), opened("-"):
        pass


@pytest.mark.parametrize("scheme", ["rtsp", "RTSP"])
def test_a_password_is_never_shown(scheme: str) -> None:
    name = f"{scheme}://admin:secret@127.0.0.1:9/live"
    assert "secret" not in shown(name)
    with pytest.raises(VideoError) as raised, opened(name):
        pass
    assert "secret" not in str(raised.value) and "***@127.0.0.1" in str(raised.value)
