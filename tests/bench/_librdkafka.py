"""A producer over librdkafka's C API, that of confluent-kafka's wheel: Python's own would need more of a core than what
is measured. Messages go in by the ten thousand, so Python does next to nothing."""

import ctypes
import pathlib
import random
import string
import threading
import time

import confluent_kafka

AT_ONCE = 10_000
WAITING_MAX = 500_000
CONF_OK, EVENT_DR = 0, 1


class Message(ctypes.Structure):
    _fields_ = [("err", ctypes.c_int), ("rkt", ctypes.c_void_p), ("partition", ctypes.c_int32),
                ("payload", ctypes.c_void_p), ("len", ctypes.c_size_t), ("key", ctypes.c_void_p),
                ("key_len", ctypes.c_size_t), ("offset", ctypes.c_int64), ("private", ctypes.c_void_p)]


def load():
    folder = pathlib.Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(iter(folder.glob("librdkafka-*.so*")))))
    for name in ("conf_new", "new", "topic_new", "queue_get_main", "queue_poll", "topic_conf_new"):
        getattr(library, "rd_kafka_" + name).restype = ctypes.c_void_p
    library.rd_kafka_err2str.restype = ctypes.c_char_p
    library.rd_kafka_message_latency.restype = ctypes.c_int64
    library.rd_kafka_event_message_count.restype = ctypes.c_size_t
    library.rd_kafka_event_message_array.restype = ctypes.c_size_t
    return library


LIBRARY = load()


def messages(size, count=AT_ONCE):
    """An array of messages of random letters, as the Java tool's are."""
    letters = random.Random(7)
    bodies = [ctypes.create_string_buffer("".join(letters.choices(string.ascii_uppercase, k=size)).encode(), size)
              for _ in range(count)]
    array = (Message * count)()
    for message, body in zip(array, bodies, strict=True):
        message.payload, message.len, message.partition = ctypes.addressof(body), size, -1
    array.bodies = bodies  # they live as long as the array
    return array


class Producer:
    def __init__(self, topic, settings):
        conf = ctypes.c_void_p(LIBRARY.rd_kafka_conf_new())
        error = ctypes.create_string_buffer(512)
        for name, value in settings.items():
            if LIBRARY.rd_kafka_conf_set(conf, name.encode(), str(value).encode(), error, 512) != CONF_OK:
                raise RuntimeError(f"{name}: {error.value.decode()}")
        LIBRARY.rd_kafka_conf_set_events(conf, EVENT_DR)
        self.handle = ctypes.c_void_p(LIBRARY.rd_kafka_new(0, conf, error, 512))
        if not self.handle:
            raise RuntimeError(error.value.decode())
        self.queue = ctypes.c_void_p(LIBRARY.rd_kafka_queue_get_main(self.handle))
        self.topic = ctypes.c_void_p(LIBRARY.rd_kafka_topic_new(self.handle, topic.encode(), None))
        self.delivered = 0
        self.latencies = []  # ms, one of each delivery report's newest message
        self.timed = False

    def poll(self, ms):
        """Takes delivery reports; an error in one is an error of the run."""
        event = ctypes.c_void_p(LIBRARY.rd_kafka_queue_poll(self.queue, ms))
        if not event:
            return
        count = LIBRARY.rd_kafka_event_message_count(event)
        reports = (ctypes.POINTER(Message) * count)()
        LIBRARY.rd_kafka_event_message_array(event, reports, ctypes.c_size_t(count))
        if count and self.timed:
            self.latencies.append(LIBRARY.rd_kafka_message_latency(reports[count - 1]) / 1000)
        # All messages of a report are of one request: one error is that of all.
        failed = reports[0].contents.err if count else 0
        LIBRARY.rd_kafka_event_destroy(event)
        if failed:
            raise RuntimeError(f"a record was refused: {LIBRARY.rd_kafka_err2str(failed).decode()}")
        self.delivered += count

    def send(self, array, first, count):
        part = ctypes.byref(array, first * ctypes.sizeof(Message))
        if LIBRARY.rd_kafka_produce_batch(self.topic, -1, 0, part, count) != count:
            raise RuntimeError("librdkafka's queue is full")

    def finish(self, count):
        end = time.monotonic() + 120
        while self.delivered < count:
            if time.monotonic() > end:
                raise RuntimeError(f"{count - self.delivered} records were not acknowledged in two minutes")
            self.poll(100)

    def close(self):
        LIBRARY.rd_kafka_topic_destroy(self.topic)
        LIBRARY.rd_kafka_queue_destroy(self.queue)
        LIBRARY.rd_kafka_destroy(self.handle)


def settings_of(server, **more):
    return {**server.login(), "acks": "all", "queue.buffering.max.messages": WAITING_MAX,
            "queue.buffering.max.kbytes": 1 << 20, **more}


def produce(server, topic, count, size, codec, **settings):
    """Records a second; `count` is a multiple of AT_ONCE."""
    array = messages(size)
    producer = Producer(topic, settings_of(server, **{"compression.type": codec, "linger.ms": 5, **settings}))
    begin = time.monotonic()
    for _ in range(count // AT_ONCE):
        while LIBRARY.rd_kafka_outq_len(producer.handle) > WAITING_MAX - AT_ONCE:
            producer.poll(10)
        producer.send(array, 0, AT_ONCE)
        producer.poll(0)
    producer.finish(count)
    seconds = time.monotonic() - begin
    producer.close()
    return count / seconds


def latencies(server, topic, rate, seconds, size):
    """Milliseconds from the handing over of a record to its delivery report, at `rate` records a second, sorted."""
    per_tick = rate // 1000
    array = messages(size, per_tick)
    producer = Producer(topic, settings_of(server, **{"linger.ms": 0}))
    producer.send(array, 0, per_tick)  # connects
    producer.finish(per_tick)
    producer.timed, failures, sent = True, [], seconds * 1000 * per_tick

    def take():
        try:
            producer.finish(sent + per_tick)
        except RuntimeError as error:
            failures.append(error)

    taker = threading.Thread(target=take)
    taker.start()
    begin = time.monotonic()
    for tick in range(seconds * 1000):
        wait = begin + tick / 1000 - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        producer.send(array, 0, per_tick)
    taker.join()
    producer.close()
    if failures:
        raise failures[0]
    return sorted(producer.latencies)
