"""Runs scenarios with grpcio, the C core: ``client.py <plain> <tls> <gzip> <pings> <ca file> <name>...``, where the
servers are ``host:port``. Prints ``ok NAME`` or ``not ok NAME reason`` for each.
"""

import queue
import sys
import time

import grpc

PLAIN, TLS, GZIP, PINGS, CA_FILE = sys.argv[1:6]
SERVICE = "/nacre.test.Echo/"
CALL_MAX_S = 20
EVENTUALLY_S = 10
POLL_S = 0.01
PINGS_MIN = 5
KEEPALIVE_MS = 200
TEXT = "Dienst „größe“ 城市 🚀 100% + a=b\nnächste Zeile"


class Echo:
    """One channel with a connection of its own."""

    def __init__(self, address, credentials=None, compression=None, **options):
        arguments = [("grpc.use_local_subchannel_pool", 1), *((f"grpc.{name}", value) for name, value in options.items())]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, arguments, compression)
        else:
            self.channel = grpc.secure_channel(address, credentials, arguments, compression)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def unary(self, method, message=b"", timeout=CALL_MAX_S):
        path = method if method.startswith("/") else SERVICE + method
        return self.channel.unary_unary(path)(message, timeout=timeout)

    def text(self, method, message=""):
        return self.unary(method, message.encode()).decode()

    def bidi(self):
        return Bidi(self.channel)


class Bidi:
    def __init__(self, channel):
        self.requests = queue.SimpleQueue()
        self.answers = channel.stream_stream(SERVICE + "Bidi")(iter(self.requests.get, None))

    def exchange(self, text):
        self.requests.put(text.encode())
        equal(next(self.answers).decode(), text)

    def end(self):
        self.requests.put(None)
        equal(list(self.answers), [])
        equal(self.answers.code(), grpc.StatusCode.OK)


def unary(echo):
    equal(echo.text("Echo", "hello"), "hello")
    equal(echo.text("Echo", ""), "")


def concurrent(echo):
    call = echo.channel.unary_unary(SERVICE + "Echo")
    texts = [f"call {i}" for i in range(200)]
    answers = [call.future(text.encode(), timeout=CALL_MAX_S) for text in texts]
    equal([answer.result().decode() for answer in answers], texts)


def server_stream(echo):
    messages = list(echo.channel.unary_stream(SERVICE + "ServerStream")(b"1000 100"))
    equal([message.decode() for message in messages], [str(i).ljust(100, ".") for i in range(1000)])


def client_stream(echo):
    answer = echo.channel.stream_unary(SERVICE + "ClientStream")(bytes(1000) for _ in range(1000))
    equal(answer, b"1000 1000000")


def bidi(echo, rounds=500):
    call = echo.bidi()
    for i in range(rounds):
        call.exchange(f"message {i}")
    call.end()


def large(echo):
    sent = bytes(i % 251 for i in range(4_000_000))
    check(echo.unary("Echo", sent) == sent, "other bytes came back")


def deadline(echo):
    name = "python deadline"
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: echo.unary("Hang", name.encode(), timeout=0.2))
    # Whichever comes first: the reset of the client or the server's own clock.
    eventually(lambda: echo.text("Ended", name) in ("1 0 0", "0 1 0"))


def cancel(echo):
    name = "python-cancel"
    call = echo.channel.unary_stream(SERVICE + "ServerStream")(f"1000000 1000 {name}".encode())
    for _ in range(10):
        next(call)
    call.cancel()
    fails(grpc.StatusCode.CANCELLED, lambda: list(call))
    eventually(lambda: echo.text("Ended", name) == "1 0 0")


def metadata(echo):
    sent = [
        ("x-text", "some text, with a comma"),
        ("x-data-bin", bytes(range(256))),
        ("x-data-bin", bytes([0, 44, 255])),
    ]
    _, call = echo.channel.unary_unary(SERVICE + "Meta").with_call(b"m", metadata=sent, timeout=CALL_MAX_S)
    for got in (call.initial_metadata(), call.trailing_metadata()):
        equal([(key, value) for key, value in got if key.startswith("x-")], sent)


def status(echo):
    failure = fails(grpc.StatusCode.NOT_FOUND, lambda: echo.text("Fail", f"5 {TEXT}"))
    equal(failure.details(), TEXT)


def unimplemented(echo):
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: echo.unary("Missing"))
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: echo.unary("/nacre.test.Nobody/Echo"))


def too_large(echo):
    port = echo.text("Port")
    fails(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: echo.unary("Echo", bytes(6_000_000)))
    equal(echo.text("Port"), port)


def goaway(echo):
    port = echo.text("Port")
    call = echo.bidi()
    call.exchange("before")
    equal(echo.text("Drain"), port)
    check(echo.text("Port") != port, "the same connection")
    for i in range(10):
        call.exchange(f"after {i}")
    call.end()


def keepalive(echo):
    options = {"keepalive_time_ms": KEEPALIVE_MS, "keepalive_timeout_ms": 5_000, "http2.max_pings_without_data": 0}
    with Echo(PINGS, **options) as quiet:
        call = quiet.bidi()
        call.exchange("before")
        before = int(echo.text("Pings"))
        eventually(lambda: int(echo.text("Pings")) >= before + PINGS_MIN)
        call.exchange("after")
        call.end()


def tls(_):
    with open(CA_FILE, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    with Echo(TLS, credentials) as echo:
        equal(echo.text("Echo", "hello"), "hello")
        large(echo)
        bidi(echo, 100)


def gzip_refused(echo):
    with Echo(PLAIN, compression=grpc.Compression.Gzip) as compressing:
        fails(grpc.StatusCode.UNIMPLEMENTED, lambda: compressing.unary("Echo", bytes(100_000)))
    equal(echo.text("Echo", "hello"), "hello")


def gzip(_):
    with Echo(GZIP, compression=grpc.Compression.Gzip) as echo:
        check(echo.unary("Echo", bytes(100_000)) == bytes(100_000), "other bytes came back")


def check(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def equal(actual, expected):
    check(actual == expected, f"want {expected!r}, got {actual!r}"[:500])


def fails(code, call):
    try:
        call()
    except grpc.RpcError as failure:
        check(failure.code() == code, f"want {code}, got {failure.code()} {failure.details()}")
        return failure
    raise AssertionError(f"want {code}, but the call succeeded")


def eventually(condition):
    give_up_at = time.monotonic() + EVENTUALLY_S
    while not condition():
        check(time.monotonic() < give_up_at, f"not within {EVENTUALLY_S} s")
        time.sleep(POLL_S)


for name in sys.argv[6:]:
    try:
        with Echo(PLAIN) as own:
            globals()[name.replace("-", "_")](own)
        print(f"ok {name}", flush=True)
    except Exception as failure:  # noqa: BLE001
        print(f"not ok {name} {' '.join(repr(failure).split())}", flush=True)
