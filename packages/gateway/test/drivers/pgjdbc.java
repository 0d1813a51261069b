import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyOut;

/**
 * Opens a session for every kind of state that pgjdbc makes, and tells after each move what is left of it. Its words and answers are
 * those of psycopg.py beside it.
 */
public class App {
  static final ExecutorService background = Executors.newCachedThreadPool(work -> {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  });

  static Connection connect(String... more) throws SQLException {
    Map<String, String> env = System.getenv();
    Properties properties = new Properties();
    properties.setProperty("user", env.get("PGUSER"));
    properties.setProperty("password", env.get("PGPASSWORD"));
    properties.setProperty("sslmode", env.get("PGSSLMODE"));
    for (int i = 0; i < more.length; i += 2) properties.setProperty(more[i], more[i + 1]);
    String server = env.get("PGHOST") + ":" + env.get("PGPORT");
    return DriverManager.getConnection("jdbc:postgresql://" + server + "/" + env.get("PGDATABASE"), properties);
  }

  static void run(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The first column of all rows. */
  static List<String> column(PreparedStatement statement) throws SQLException {
    List<String> values = new ArrayList<>();
    try (ResultSet rows = statement.executeQuery()) {
      while (rows.next()) values.add(rows.getString(1));
    }
    return values;
  }

  static String one(Connection connection, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      return column(statement).get(0);
    }
  }

  static void same(Object found, Object expected) {
    if (!Objects.equals(found, expected)) throw new AssertionError(found + " instead of " + expected);
  }

  static void until(Callable<Boolean> condition, String what) throws Exception {
    for (int i = 0; i < 6000; i++) {
      if (condition.call()) return;
      Thread.sleep(20);
    }
    throw new AssertionError("waited in vain until " + what);
  }

  static <T> T result(Future<T> work) throws Exception {
    return work.get(120, TimeUnit.SECONDS);
  }

  /** One kind of state, in a session of its own. */
  abstract static class Case {
    Connection connection;

    /** Once. */
    void open() throws Exception {
      connection = connect();
    }

    /** Before each move. */
    void begin() throws Exception {}

    /** While the gateway waits for what is not at rest. */
    void finish() throws Exception {}

    /** While nobody has a server. */
    void ask() throws Exception {}

    /** After each move: null when all is there, else a word. */
    abstract String check() throws Exception;

    String one(String sql, Object... values) throws SQLException {
      return App.one(connection, sql, values);
    }

    void run(String sql) throws SQLException {
      App.run(connection, sql);
    }
  }

  static class Settings extends Case {
    static final String STATE = "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('statement_timeout'),"
        + " current_setting('search_path'))";
    String pid;

    void open() throws Exception {
      connection = connect("options", "-c work_mem=5MB");
    }

    void begin() throws Exception {
      run("SET work_mem = '9MB'; SET statement_timeout = '77s'");
      connection.setSchema("we ird");
      pid = one("SELECT pg_backend_pid()");
    }

    String check() throws Exception {
      if (one("SELECT pg_backend_pid()").equals(pid)) throw new AssertionError("it is still on its old server");
      same(one(STATE), "9MB 77s \"we ird\"");
      run("RESET work_mem");
      same(one("SHOW work_mem"), "5MB");
      return null;
    }
  }

  static class CustomSettings extends Case {
    void open() throws Exception {
      super.open();
      one("SELECT set_config('app.tenant_id', ?, false)", "tenant 7");
    }

    String check() throws Exception {
      same(one("SELECT current_setting('app.tenant_id')"), "tenant 7");
      return null;
    }
  }

  static class Role extends Case {
    void open() throws Exception {
      super.open();
      run("SET ROLE clerk");
    }

    String check() throws Exception {
      same(one("SELECT current_user || ' ' || session_user"), "clerk app_rw_alpha");
      return null;
    }
  }

  /** By the driver's default threshold, which is five executions. */
  static class PreparedByDriver extends Case {
    static final String NAMES = "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_prepared_statements";
    PreparedStatement statement;
    String names;

    void open() throws Exception {
      super.open();
      statement = connection.prepareStatement("SELECT ?::int + 1");
      for (int n = 0; n < 7; n++) add(n);
      names = names();
      same(names.startsWith("S_"), true);
    }

    /** By the simple protocol, which prepares nothing. */
    String names() throws SQLException {
      try (Statement plain = connection.createStatement(); ResultSet rows = plain.executeQuery(NAMES)) {
        rows.next();
        return rows.getString(1);
      }
    }

    void add(int n) throws SQLException {
      statement.setInt(1, n);
      same(column(statement), List.of(String.valueOf(n + 1)));
    }

    String check() throws Exception {
      add(41);
      same(names(), names);
      return null;
    }
  }

  static class PreparedBySql extends Case {
    void open() throws Exception {
      super.open();
      run("PREPARE twice (int) AS SELECT $1 * 2");
    }

    String check() throws Exception {
      same(one("EXECUTE twice(21)"), "42");
      return null;
    }
  }

  static class Listen extends Case {
    Connection sender;
    Future<String> asked;
    final List<String> heard = new ArrayList<>();

    void open() throws Exception {
      super.open();
      sender = connect();
      run("LISTEN news");
    }

    String send(String payload) throws SQLException {
      return App.one(sender, "SELECT pg_notify('news', ?)", payload);
    }

    void begin() throws Exception {
      heard.clear();
      send("before");
    }

    void ask() {
      asked = background.submit(() -> send("meanwhile"));
    }

    /** Waits, without a word to the server, for what it says by itself. */
    boolean hear() throws SQLException {
      PGNotification[] news = connection.unwrap(PGConnection.class).getNotifications(20);
      if (news != null) for (PGNotification notification : news) heard.add(notification.getParameter());
      return heard.size() >= 3;
    }

    String check() throws Exception {
      result(asked);
      send("after");
      until(this::hear, "all is heard");
      same(heard, List.of("before", "meanwhile", "after"));
      return null;
    }
  }

  static class AdvisoryLocks extends Case {
    Connection other;
    Future<String> grabbed;

    void open() throws Exception {
      super.open();
      other = connect();
    }

    void begin() throws Exception {
      one("SELECT pg_advisory_lock(7), pg_advisory_lock(7)");
    }

    void ask() {
      grabbed = background.submit(() -> App.one(other, "SELECT pg_try_advisory_lock(7)"));
    }

    String check() throws Exception {
      same(result(grabbed), "f");
      List<String> unlocked = new ArrayList<>();
      for (int i = 0; i < 3; i++) unlocked.add(one("SELECT pg_advisory_unlock(7)"));
      same(unlocked, List.of("t", "t", "f"));
      return null;
    }
  }

  static class Lastval extends Case {
    String value;

    void begin() throws Exception {
      run("INSERT INTO counted DEFAULT VALUES");
      value = one("SELECT lastval()");
    }

    String check() throws Exception {
      same(one("SELECT lastval()"), value);
      return null;
    }
  }

  static class Currval extends Case {
    void begin() throws Exception {
      one("SELECT nextval('counted_id_seq')");
    }

    String check() throws Exception {
      try {
        one("SELECT currval('counted_id_seq')");
        return null;
      } catch (SQLException error) {
        same(error.getSQLState(), "55000");
        return "lost";
      }
    }
  }

  static class Cursor extends Case {
    void begin() throws Exception {
      run("DECLARE kept CURSOR WITH HOLD FOR SELECT generate_series(1, 6)");
      same(fetch("2"), List.of("1", "2"));
    }

    List<String> fetch(String count) throws SQLException {
      try (PreparedStatement statement = connection.prepareStatement("FETCH " + count + " FROM kept")) {
        return column(statement);
      }
    }

    String check() throws Exception {
      same(fetch("2"), List.of("3", "4"));
      same(fetch("ALL"), List.of("5", "6"));
      run("CLOSE kept");
      return null;
    }
  }

  /** With a result that the driver fetches by and by, through a portal. */
  static class Transaction extends Case {
    ResultSet rows;
    int before;

    void begin() throws Exception {
      before = Integer.parseInt(one("SELECT count(*) FROM written"));
      connection.setAutoCommit(false);
      run("INSERT INTO written VALUES (1)");
      Statement statement = connection.createStatement();
      statement.setFetchSize(10);
      rows = statement.executeQuery("SELECT generate_series(1, 100)");
      rows.next();
    }

    void finish() throws Exception {
      int count = 1;
      while (rows.next()) count++;
      same(count, 100);
      run("INSERT INTO written VALUES (2)");
      connection.commit();
      connection.setAutoCommit(true);
    }

    String check() throws Exception {
      same(one("SELECT count(*) FROM written"), String.valueOf(before + 2));
      return null;
    }
  }

  /** A statement that waits for a lock, which another session gives back while the gateway waits. */
  static class Running extends Case {
    Connection owner;
    Future<String> statement;

    void open() throws Exception {
      super.open();
      owner = connect();
    }

    void begin() throws Exception {
      owner.setAutoCommit(false);
      App.one(owner, "SELECT pg_advisory_xact_lock(99)");
      int pid = Integer.parseInt(one("SELECT pg_backend_pid()"));
      statement = background.submit(() -> one("SELECT 'done' FROM pg_advisory_xact_lock(99)"));
      String waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = ? AND wait_event_type = 'Lock'";
      until(() -> App.one(owner, waits, pid).equals("1"), "it runs");
    }

    void finish() throws Exception {
      owner.commit();
      owner.setAutoCommit(true);
    }

    String check() throws Exception {
      same(result(statement), "done");
      same(one("SELECT 1"), "1");
      return null;
    }
  }

  static class CopyingIn extends Case {
    CopyIn copy;
    long before;

    void begin() throws Exception {
      before = Long.parseLong(one("SELECT count(*) FROM copied"));
      copy = connection.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY copied FROM STDIN");
      write();
    }

    void write() throws Exception {
      byte[] row = "1\n".getBytes();
      for (int i = 0; i < 500; i++) copy.writeToCopy(row, 0, row.length);
      copy.flushCopy();
    }

    void finish() throws Exception {
      write();
      same(copy.endCopy(), 1000L);
    }

    String check() throws Exception {
      same(one("SELECT count(*) FROM copied"), String.valueOf(before + 1000));
      return null;
    }
  }

  /** Of more than lies in the buffers between. */
  static class CopyingOut extends Case {
    CopyOut copy;
    int read;

    void begin() throws Exception {
      String sql = "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 1500)) TO STDOUT";
      copy = connection.unwrap(PGConnection.class).getCopyAPI().copyOut(sql);
      read = copy.readFromCopy().length;
    }

    void finish() throws Exception {
      for (byte[] data = copy.readFromCopy(); data != null; data = copy.readFromCopy()) read += data.length;
    }

    String check() throws Exception {
      same(read, 1500 * 10001);
      same(one("SELECT 1"), "1");
      return null;
    }
  }

  /** Fifty statements ahead, one batch after the other, before, during and after the move. */
  static class Batches extends Case {
    volatile int batches;
    volatile boolean stopped;
    Future<String> work;

    void begin() throws Exception {
      run("TRUNCATE batched");
      batches = 0;
      stopped = false;
      work = background.submit(this::work);
      until(() -> batches > 0, "it works");
    }

    String work() throws Exception {
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO batched VALUES (?, ?)")) {
        while (!stopped) {
          for (int n = 0; n < 50; n++) {
            insert.setInt(1, batches);
            insert.setInt(2, n);
            insert.addBatch();
          }
          same(Arrays.stream(insert.executeBatch()).sum(), 50);
          batches++;
          Thread.sleep(5);
        }
      }
      return null;
    }

    String check() throws Exception {
      int movedAt = batches;
      until(() -> batches > movedAt + 1 || work.isDone(), "it works again");
      stopped = true;
      result(work);
      same(one("SELECT count(*) || ' ' || count(DISTINCT (batch, n)) FROM batched"), batches * 50 + " " + batches * 50);
      return null;
    }
  }

  /** By the key of before the move. */
  static class Cancel extends Case {
    Connection other;

    void open() throws Exception {
      super.open();
      other = connect();
    }

    String check() throws Exception {
      int pid = Integer.parseInt(one("SELECT pg_backend_pid()"));
      try (Statement statement = connection.createStatement()) {
        Future<Boolean> query = background.submit(() -> statement.execute("SELECT pg_sleep(600)"));
        String sleeps = "SELECT count(*) FROM pg_stat_activity WHERE pid = ? AND wait_event = 'PgSleep'";
        until(() -> App.one(other, sleeps, pid).equals("1"), "it runs");
        statement.cancel();
        same(stateOf(query), "57014");
      }
      same(one("SELECT 1"), "1");
      return null;
    }

    String stateOf(Future<?> query) throws Exception {
      try {
        result(query);
        return "no error";
      } catch (java.util.concurrent.ExecutionException error) {
        return ((SQLException) error.getCause()).getSQLState();
      }
    }
  }

  /** In a new session each time, which ends. */
  static class Ended extends Case {
    final String sql;

    Ended(String sql) {
      this.sql = sql;
    }

    void open() {}

    void begin() throws Exception {
      connection = connect();
      run(sql);
    }

    String check() throws Exception {
      try {
        one("SELECT 1");
        return null;
      } catch (SQLException error) {
        same(connection.isClosed(), true);
        return "ended: " + error.getSQLState();
      }
    }
  }

  static Map<String, Case> cases() {
    Map<String, Case> cases = new LinkedHashMap<>();
    cases.put("settings", new Settings());
    cases.put("custom settings", new CustomSettings());
    cases.put("computed custom settings", new Ended("SELECT set_config('app.' || 'x', '1', false)"));
    cases.put("role", new Role());
    cases.put("statements prepared by the driver", new PreparedByDriver());
    cases.put("statements prepared by SQL", new PreparedBySql());
    cases.put("listen", new Listen());
    cases.put("advisory locks", new AdvisoryLocks());
    cases.put("lastval", new Lastval());
    cases.put("currval", new Currval());
    cases.put("temporary table", new Ended("CREATE TEMPORARY TABLE basket (n int)"));
    cases.put("cursor", new Cursor());
    cases.put("transaction", new Transaction());
    cases.put("running statement", new Running());
    cases.put("copy in", new CopyingIn());
    cases.put("copy out", new CopyingOut());
    cases.put("pipeline", new Batches());
    cases.put("cancel", new Cancel());
    return cases;
  }

  static String tell(Case which, String word) throws Exception {
    switch (word) {
      case "open": which.open(); return null;
      case "begin": which.begin(); return null;
      case "finish": which.finish(); return null;
      case "ask": which.ask(); return null;
      case "check": return Objects.requireNonNullElse(which.check(), "kept");
      default: throw new IllegalArgumentException(word);
    }
  }

  static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + '"';
  }

  public static void main(String[] args) throws Exception {
    Map<String, Case> cases = cases();
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String word = input.readLine(); word != null; word = input.readLine()) {
      Map<String, String> answers = new LinkedHashMap<>();
      for (Map.Entry<String, Case> entry : cases.entrySet()) {
        try {
          String found = tell(entry.getValue(), word);
          if (found != null) answers.put(entry.getKey(), found);
        } catch (Exception | AssertionError error) {
          answers.put(entry.getKey(), error.toString());
        }
      }
      System.out.println(answers.entrySet().stream()
          .map(entry -> quoted(entry.getKey()) + ":" + quoted(entry.getValue()))
          .collect(Collectors.joining(",", "{", "}")));
    }
  }
}
