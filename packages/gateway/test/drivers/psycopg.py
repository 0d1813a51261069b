"""Opens a session for every kind of state that psycopg makes, and tells after each move what is left of it.

Reads words from standard input (open, begin, finish, ask, check), has every case do what the word says, and answers with a line of
JSON: what went wrong by case, and for "check" what has become of each. The connection's parameters are in libpq's variables.
"""
import json
import sys
import threading
import time

import psycopg


def connect(**more):
    return psycopg.connect("", autocommit=True, **more)


def one(conn, sql, params=None, **more):
    return conn.execute(sql, params, **more).fetchone()[0]


def until(condition, what):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited in vain until {what}")


def same(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


class Background(threading.Thread):
    """Work beside the others, whose result or error is asked for later."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.work()
        except Exception as error:
            self.error = error

    def result(self):
        self.join(120)
        assert not self.is_alive(), "waited in vain for an answer"
        if self.error:
            raise self.error
        return self.value


class Case:
    """One kind of state, in a session of its own."""

    def open(self):
        """Once."""
        self.conn = connect()

    def begin(self):
        """Before each move."""

    def finish(self):
        """While the gateway waits for what is not at rest."""

    def ask(self):
        """While nobody has a server."""

    def check(self):
        """After each move: nothing when all is there, else a word."""


class Settings(Case):
    STATE = "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('TimeZone'), current_setting('search_path'))"

    def open(self):
        self.conn = connect(options="-c work_mem=5MB")

    def begin(self):
        self.conn.execute("SET work_mem = '9MB'")
        self.conn.execute("SET TimeZone = 'Asia/Tokyo'")
        self.conn.execute("SELECT set_config('search_path', '\"we ird\", public', false)")
        self.pid = one(self.conn, "SELECT pg_backend_pid()")

    def check(self):
        assert one(self.conn, "SELECT pg_backend_pid()") != self.pid, "it is still on its old server"
        same(one(self.conn, self.STATE), '9MB Asia/Tokyo "we ird", public')
        self.conn.execute("RESET work_mem")
        same(one(self.conn, "SHOW work_mem"), "5MB")


class CustomSettings(Case):
    def open(self):
        super().open()
        self.conn.execute("SELECT set_config('app.tenant_id', %s, false)", ["tenant 7"])

    def check(self):
        same(one(self.conn, "SELECT current_setting('app.tenant_id')"), "tenant 7")


class ClientEncoding(Case):
    def open(self):
        super().open()
        self.conn.execute("SET client_encoding TO 'LATIN1'")

    def check(self):
        same(one(self.conn, "SHOW client_encoding"), "LATIN1")
        same(self.conn.execute("SELECT %s, encode(convert_to(%s, 'UTF8'), 'hex')", ["ä", "ä"]).fetchone(), ("ä", "c3a4"))


class Role(Case):
    def open(self):
        super().open()
        self.conn.execute("SET ROLE clerk")

    def check(self):
        same(one(self.conn, "SELECT current_user || ' ' || session_user"), "clerk app_rw_alpha")


class PreparedByDriver(Case):
    """By the driver's default threshold, which is five executions."""

    NAMES = "SELECT array_agg(name ORDER BY name) FROM pg_prepared_statements"

    def open(self):
        super().open()
        for n in range(7):
            self.add(n)
        self.names = one(self.conn, self.NAMES, prepare=False)
        same(len(self.names), 1)

    def add(self, n):
        same(one(self.conn, "SELECT %s::int + 1", [n]), n + 1)

    def check(self):
        self.add(41)
        same(one(self.conn, self.NAMES, prepare=False), self.names)


class PreparedBySql(Case):
    def open(self):
        super().open()
        self.conn.execute("PREPARE twice (int) AS SELECT $1 * 2")

    def check(self):
        same(one(self.conn, "EXECUTE twice(21)"), 42)


class Listen(Case):
    def open(self):
        super().open()
        self.sender = connect()
        self.heard = []
        self.conn.add_notify_handler(lambda notice: self.heard.append(notice.payload))
        self.conn.execute("LISTEN news")

    def send(self, payload):
        self.sender.execute("SELECT pg_notify('news', %s)", [payload])

    def begin(self):
        self.heard.clear()
        self.send("before")

    def ask(self):
        self.asked = Background(lambda: self.send("meanwhile"))

    def check(self):
        self.asked.result()
        self.send("after")
        until(lambda: self.conn.execute("SELECT 1") and len(self.heard) >= 3, "all is heard")
        same(self.heard, ["before", "meanwhile", "after"])


class AdvisoryLocks(Case):
    def open(self):
        super().open()
        self.other = connect()

    def begin(self):
        self.conn.execute("SELECT pg_advisory_lock(7), pg_advisory_lock(7)")

    def ask(self):
        self.grabbed = Background(lambda: one(self.other, "SELECT pg_try_advisory_lock(7)"))

    def check(self):
        same(self.grabbed.result(), False)
        same([one(self.conn, "SELECT pg_advisory_unlock(7)") for _ in range(3)], [True, True, False])


class Lastval(Case):
    def begin(self):
        self.conn.execute("INSERT INTO counted DEFAULT VALUES")
        self.value = one(self.conn, "SELECT lastval()")

    def check(self):
        same(one(self.conn, "SELECT lastval()"), self.value)


class Currval(Case):
    def begin(self):
        self.conn.execute("SELECT nextval('counted_id_seq')")

    def check(self):
        try:
            self.conn.execute("SELECT currval('counted_id_seq')")
        except psycopg.errors.ObjectNotInPrerequisiteState:
            return "lost"


class Cursor(Case):
    """The driver's own server-side cursor."""

    def begin(self):
        self.cursor = self.conn.cursor(name="kept", withhold=True)
        self.cursor.execute("SELECT generate_series(1, 10)")
        same(self.cursor.fetchmany(2), [(1,), (2,)])

    def check(self):
        same(self.cursor.fetchmany(2), [(3,), (4,)])
        same([n for (n,) in self.cursor.fetchall()], [5, 6, 7, 8, 9, 10])
        self.cursor.close()


class Transaction(Case):
    def begin(self):
        self.before = one(self.conn, "SELECT count(*) FROM written")
        self.conn.execute("BEGIN")
        self.conn.execute("INSERT INTO written VALUES (1)")

    def finish(self):
        self.conn.execute("INSERT INTO written VALUES (2)")
        self.conn.execute("COMMIT")

    def check(self):
        same(one(self.conn, "SELECT count(*) FROM written"), self.before + 2)


class Running(Case):
    """A statement that waits for a lock, which another session gives back while the gateway waits."""

    def open(self):
        super().open()
        self.owner = connect()

    def begin(self):
        self.owner.execute("BEGIN")
        self.owner.execute("SELECT pg_advisory_xact_lock(99)")
        pid = one(self.conn, "SELECT pg_backend_pid()")
        self.statement = Background(lambda: one(self.conn, "SELECT 'done' FROM pg_advisory_xact_lock(99)"))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        until(lambda: one(self.owner, waits, [pid]) == 1, "it runs")

    def finish(self):
        self.owner.execute("COMMIT")

    def check(self):
        same(self.statement.result(), "done")
        same(one(self.conn, "SELECT 1"), 1)


class CopyIn(Case):
    def begin(self):
        self.before = one(self.conn, "SELECT count(*) FROM copied")
        self.cursor = self.conn.cursor()
        self.block = self.cursor.copy("COPY copied FROM STDIN")
        self.copy = self.block.__enter__()
        self.write()

    def write(self):
        for n in range(500):
            self.copy.write_row((n,))

    def finish(self):
        self.write()
        self.block.__exit__(None, None, None)

    def check(self):
        same(self.cursor.rowcount, 1000)
        same(one(self.conn, "SELECT count(*) FROM copied"), self.before + 1000)


class CopyOut(Case):
    """Of more than lies in the buffers between."""

    def begin(self):
        sql = "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 1500)) TO STDOUT"
        self.block = self.conn.cursor().copy(sql)
        self.copy = self.block.__enter__()
        self.read = len(bytes(self.copy.read()))

    def finish(self):
        while data := self.copy.read():
            self.read += len(bytes(data))
        self.block.__exit__(None, None, None)

    def check(self):
        same(self.read, 1500 * 10001)
        same(one(self.conn, "SELECT 1"), 1)


class Pipeline(Case):
    """Fifty requests ahead, one pipeline after the other, before, during and after the move."""

    def begin(self):
        self.pipelines = 0
        self.stopped = False
        self.work = Background(self.run)
        until(lambda: self.pipelines > 0, "it works")

    def run(self):
        while not self.stopped:
            with self.conn.pipeline():
                cursors = [self.conn.execute("SELECT %s::int", [n]) for n in range(50)]
            same([cursor.fetchone()[0] for cursor in cursors], list(range(50)))
            self.pipelines += 1
            time.sleep(0.005)

    def check(self):
        moved_at = self.pipelines
        until(lambda: self.pipelines > moved_at + 1 or self.work.error, "it works again")
        self.stopped = True
        self.work.result()


class Cancel(Case):
    """By the key of before the move."""

    def open(self):
        super().open()
        self.other = connect()

    def check(self):
        pid = one(self.conn, "SELECT pg_backend_pid()")
        query = Background(lambda: self.conn.execute("SELECT pg_sleep(600)"))
        sleeps = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        until(lambda: one(self.other, sleeps, [pid]) == 1, "it runs")
        self.conn.cancel()
        try:
            query.result()
            return "not cancelled"
        except psycopg.errors.QueryCanceled:
            same(one(self.conn, "SELECT 1"), 1)


class Ended(Case):
    """In a new session each time, which ends. The driver passes on what the server said, without its code."""

    def open(self):
        pass

    def begin(self):
        self.conn = connect()
        self.conn.execute(self.SQL)

    def check(self):
        try:
            self.conn.execute("SELECT 1")
        except psycopg.OperationalError as error:
            assert self.conn.closed
            return f"ended: {error}"


class TemporaryTable(Ended):
    SQL = "CREATE TEMPORARY TABLE basket (n int)"


class ComputedSetting(Ended):
    SQL = "SELECT set_config('app.' || 'x', '1', false)"


CASES = {
    "settings": Settings(),
    "custom settings": CustomSettings(),
    "computed custom settings": ComputedSetting(),
    "client encoding": ClientEncoding(),
    "role": Role(),
    "statements prepared by the driver": PreparedByDriver(),
    "statements prepared by SQL": PreparedBySql(),
    "listen": Listen(),
    "advisory locks": AdvisoryLocks(),
    "lastval": Lastval(),
    "currval": Currval(),
    "temporary table": TemporaryTable(),
    "cursor": Cursor(),
    "transaction": Transaction(),
    "running statement": Running(),
    "copy in": CopyIn(),
    "copy out": CopyOut(),
    "pipeline": Pipeline(),
    "cancel": Cancel(),
}

for line in sys.stdin:
    word = line.strip()
    answers = {}
    for name, case in CASES.items():
        try:
            found = getattr(case, word)()
            if word == "check":
                answers[name] = found or "kept"
        except Exception as error:
            answers[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(answers), flush=True)
