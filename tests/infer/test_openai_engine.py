"""The endpoint engine against a small server on this machine that answers, stumbles and refuses."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infer.engine import EngineError, Request, Sampling
from infer.media import load_clip
from infer.openai_engine import UNTOLD, Endpoint, EndpointOptions, OpenAIEngine
from infer.run import InferConfig, run
from infer.store import REPLIES, read_replies
from infer.stream.modes import StreamOptions
from prompts.schema import schema
from tasks.labels import label_space
from tasks.synthetic.long import generate_long
from tasks.task import Media, MediaOptions, OneOf
from tests.infer.clips import write_video

pytest.importorskip("openai", reason="the api extra is not installed (base install)")

KIND = OneOf(*label_space("basic7"))
SMALL = MediaOptions(min_pixels=56 * 56, max_pixels=56 * 56)
Answer = Callable[[dict[str, Any], int], tuple[int, dict[str, Any]]]


def completion(text: str | None, **details: int) -> dict[str, Any]:
    usage: dict[str, Any] = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
    if details:
        usage["prompt_tokens_details"] = details
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


@dataclasses.dataclass
class Server:
    url: str
    seen: list[dict[str, Any]]
    keys: list[str]
    answer: Answer


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server("", [], [], lambda body, count: (200, completion('{"label": "Joy"}')))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                state.seen.append(body)
                state.keys.append(self.headers["Authorization"])
                code, reply = state.answer(body, len(state.seen))
            data = json.dumps(reply).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keeps the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield state
        http.shutdown()


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", seconds=1.0)


def request(name: str, path: Path, **changes: Any) -> Request:
    media = Media("video", path)
    items: Any = [{"type": "video", "media": 0}, {"type": "audio", "media": 0}, {"type": "text", "text": "Which?"}]
    clip = load_clip(media, SMALL, 28)
    made = Request(name, name, name, [{"role": "user", "content": items}], (clip,), SMALL, media=(media,))
    return dataclasses.replace(made, **changes)


def engine(server: Server, **options: Any) -> OpenAIEngine:
    return OpenAIEngine(Endpoint("m", server.url), EndpointOptions(base_url=server.url, **{"retries": 0, **options}))


def test_clip_and_sound_are_sent_whole(server: Server, clip_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "secret")
    asked = request("a", clip_file, schema=schema(KIND))
    server.answer = lambda body, count: (200, completion('{"label": "Joy"}', audio_tokens=25, video_tokens=60))
    (reply,) = engine(server, api_key_env="SOME_KEY").generate([asked], Sampling("schema", max_tokens=9, seed=4))
    assert (reply.text, reply.finish, reply.error) == ('{"label": "Joy"}', "stop", None)
    assert (reply.fed.audio_tokens, reply.fed.video_tokens, reply.fed.notes) == (25, 60, ())
    assert reply.usage == {"prompt_tokens": 50, "completion_tokens": 5}
    (body,) = server.seen
    video, audio, text = body["messages"][0]["content"]
    assert base64.b64decode(video["video_url"]["url"].removeprefix("data:video/mp4;base64,")) == clip_file.read_bytes()
    with wave.open(io.BytesIO(base64.b64decode(audio["input_audio"]["data"]))) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (16_000, 1)
        assert sound.getnframes() == len(asked.clips[0].audio)  # type: ignore[arg-type]
    assert text == {"type": "text", "text": "Which?"}
    assert body["response_format"]["json_schema"]["schema"] == schema(KIND)
    assert (body["max_tokens"], body["seed"], body["temperature"]) == (9, 4, 0.0)
    assert server.keys == ["Bearer secret"]


def test_an_endpoint_that_says_nothing_of_what_it_fed_is_noted(server: Server, clip_file: Path) -> None:
    (reply,) = engine(server).generate([request("a", clip_file)], Sampling("free"))
    assert reply.error is None
    assert UNTOLD in reply.fed.notes


def test_an_endpoint_that_fed_no_sound_is_an_error(server: Server, clip_file: Path) -> None:
    server.answer = lambda body, count: (200, completion("Joy", audio_tokens=0, video_tokens=60))
    (reply,) = engine(server).generate([request("a", clip_file)], Sampling("free"))
    assert reply.text is None
    assert "carried no audio tokens" in str(reply.error)


def test_one_failure_costs_no_neighbour(server: Server, clip_file: Path) -> None:
    def answer(body: dict[str, Any], count: int) -> tuple[int, dict[str, Any]]:
        if "bad" in body["messages"][0]["content"][-1]["text"]:
            return 400, {"error": {"message": "the clip is too long"}}
        return 200, completion("Joy")

    server.answer = answer
    bad: Any = [{"role": "user", "content": [{"type": "text", "text": "bad"}]}]
    asked = [request("a", clip_file), request("b", clip_file, messages=bad), request("c", clip_file)]
    found = {reply.id: reply for reply in engine(server, concurrency=2).generate(asked, Sampling("free"))}
    assert found["a"].text == found["c"].text == "Joy"
    assert "the clip is too long" in str(found["b"].error)


def test_of_a_part_of_a_file_what_is_fed_is_sent(server: Server, tmp_path: Path) -> None:
    part = Media("video", write_video(tmp_path / "clip.mp4", seconds=6.0), 1.5, 4.5)
    clip = load_clip(part, SMALL, 28)
    asked = request("a", part.path, media=(part,), clips=(clip,))
    (reply,) = engine(server).generate([asked], Sampling("free"))
    assert reply.error is None
    video = server.seen[0]["messages"][0]["content"][0]["video_url"]["url"]
    sent = tmp_path / "sent.mp4"
    sent.write_bytes(base64.b64decode(video.removeprefix("data:video/mp4;base64,")))
    found = load_clip(Media("video", sent), SMALL, 28)
    assert found.frames is not None
    assert clip.frames is not None
    assert found.frames.shape == clip.frames.shape
    assert np.abs(found.frames.astype(int) - clip.frames).mean() < 6, "what H.264 leaves of them"
    assert found.fps == pytest.approx(clip.fps, rel=0.01)
    assert found.audio_s == pytest.approx(3.0, abs=0.1)


def test_long_clips_are_asked_about_in_parts(server: Server, tmp_path: Path) -> None:
    data = generate_long(tmp_path / "data", [12], seed=3, size=64)
    options = StreamOptions(mode="windows", window_s=6.0, overlap_s=1.0)
    endpoint = EndpointOptions(base_url=server.url, retries=0)
    config = InferConfig("synthetic-stream", data, engine="openai", model="m", out=tmp_path / "run", endpoint=endpoint)
    server.answer = lambda body, count: (200, completion('{"summary": null, "utterances": []}'))
    assert run(dataclasses.replace(config, stream=options)) == 0
    places = [reply.part["media_s"] for reply in read_replies(tmp_path / "run") if reply.part]
    assert len(places) == len(server.seen) > 2
    videos = {body["messages"][0]["content"][0]["video_url"]["url"] for body in server.seen}
    assert len(videos) == len(places)


def test_a_full_queue_is_waited_for(server: Server, clip_file: Path) -> None:
    server.answer = lambda body, count: (429, {"error": {"message": "slow"}}) if count < 3 else (200, completion("Joy"))
    (reply,) = engine(server, retries=3).generate([request("a", clip_file)], Sampling("free"))
    assert reply.text == "Joy"
    assert len(server.seen) == 3


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_ends_the_run(server: Server, clip_file: Path, code: int) -> None:
    server.answer = lambda body, count: (code, {"error": {"message": "who are you"}})
    with pytest.raises(EngineError, match="refuses the key in OPENAI_API_KEY"):
        list(engine(server).generate([request("a", clip_file)], Sampling("free")))


def test_nobody_there_ends_the_run(clip_file: Path) -> None:
    options = EndpointOptions(base_url="http://127.0.0.1:9/v1", retries=0)
    lost = OpenAIEngine(Endpoint("m", options.base_url), options)
    with pytest.raises(EngineError, match="cannot be reached"):
        list(lost.generate([request("a", clip_file)], Sampling("free")))


def test_an_empty_completion_is_an_error(server: Server, clip_file: Path) -> None:
    server.answer = lambda body, count: (200, completion(None))
    (reply,) = engine(server).generate([request("a", clip_file)], Sampling("free"))
    assert "no text" in str(reply.error)


def test_the_command_through_an_endpoint(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthetic_data: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    out = tmp_path / "run"
    endpoint = EndpointOptions(base_url=server.url)
    config = InferConfig("synthetic", synthetic_data, model="m", out=out, engine="openai", endpoint=endpoint, limit=5)
    assert run(config) == 0
    assert len((out / REPLIES).read_text().splitlines()) == 5
    assert run(config) == 0
    assert len(server.seen) == 5, "a finished run asks nothing"
    assert not any("secret-key" in path.read_text() for path in out.iterdir()), "keys are never stored"
