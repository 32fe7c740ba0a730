// An application with pgjdbc, for measuring what changes cost it. README.md in `clients` says how such a program is
// started, told and asked. Clients that keep their connection have it from HikariCP.
package clients;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;

public final class Application {
  private static final String[] COUNTERS = {
    "done", "failed", "refused", "unconnected", "opened", "relogins"
  };

  private final String kind;
  private final String url;
  private final String user;
  private final List<String> passwords = new ArrayList<>();
  private final Map<String, Integer> totals = new TreeMap<>();
  private final List<String> errors = new ArrayList<>();
  private HikariDataSource pool;
  private volatile boolean stopping;

  private Application(String way, int count) {
    Map<String, String> env = System.getenv();
    kind = "pgjdbc " + way;
    // A statement is prepared when it is first used.
    url =
        String.format(
            "jdbc:postgresql://%s:%s/%s?prepareThreshold=1&connectTimeout=10",
            env.get("PGHOST"), env.get("PGPORT"), env.get("PGDATABASE"));
    user = env.get("PGUSER");
    passwords.add(env.get("PGPASSWORD"));
    for (String counter : COUNTERS) totals.put(counter, 0);
    if (!way.equals("reconnect")) openPool(way, count);
  }

  private void openPool(String way, int count) {
    // By itself it asks those that were idle for half a second.
    if (way.equals("hold")) System.setProperty("com.zaxxer.hikari.aliveBypassWindowMs", "0");
    HikariConfig config = new HikariConfig();
    config.setDataSource(new Source(this::open));
    config.setMaximumPoolSize(count);
    config.setConnectionTimeout(10_000);
    config.setAutoCommit(false);
    pool = new HikariDataSource(config);
  }

  private synchronized void add(String counter) {
    totals.merge(counter, 1, Integer::sum);
  }

  private synchronized void tell() {
    String counts =
        totals.entrySet().stream()
            .map(entry -> quoted(entry.getKey()) + ":" + entry.getValue())
            .collect(Collectors.joining(","));
    String said = errors.stream().map(Application::quoted).collect(Collectors.joining(","));
    System.out.println("{" + counts + ",\"errors\":[" + said + "]}");
  }

  private static String quoted(String text) {
    return '"' + text.replaceAll("[\\p{Cntrl}\"\\\\]", " ") + '"';
  }

  private synchronized String password() {
    return passwords.get(0);
  }

  /** Puts the other password first, unless somebody has. */
  private synchronized void otherPassword(String refused) {
    totals.merge("relogins", 1, Integer::sum);
    if (passwords.get(0).equals(refused)) Collections.reverse(passwords);
  }

  /** With the other password where one is refused, as an application does that reads its Secret again. */
  private Connection open() throws SQLException {
    long end = System.nanoTime() + 10_000_000_000L;
    while (true) {
      String password = password();
      try {
        Connection connection = DriverManager.getConnection(url, user, password);
        add("opened");
        return connection;
      } catch (SQLException error) {
        boolean refused = String.valueOf(error.getMessage()).contains("authentication failed");
        if (!refused || System.nanoTime() > end) throw error;
      }
      otherPassword(password);
      pause(50);
    }
  }

  /**
   * One transaction with prepared statements. The driver sends BEGIN with the first of them, which therefore only
   * reads: its error says that nothing of the transaction lasts.
   */
  private void transact(Connection connection, int worker, int n) throws SQLException {
    boolean begun = false;
    try {
      connection.setAutoCommit(false);
      try (PreparedStatement next = connection.prepareStatement("SELECT ?::int + 1 AS next")) {
        next.setInt(1, n);
        try (ResultSet rows = next.executeQuery()) {
          rows.next();
        }
      }
      begun = true;
      String insert = "INSERT INTO done (kind, worker, n) VALUES (?, ?, ?)";
      try (PreparedStatement done = connection.prepareStatement(insert)) {
        done.setString(1, kind);
        done.setInt(2, worker);
        done.setInt(3, n);
        done.executeUpdate();
      }
      connection.commit();
      add("done");
    } catch (SQLException error) {
      add(begun ? "failed" : "refused");
      throw error;
    }
  }

  private void once(int worker, int n) throws SQLException {
    Connection connection;
    try {
      connection = pool == null ? open() : pool.getConnection();
    } catch (SQLException error) {
      add("unconnected");
      throw error;
    }
    try {
      transact(connection, worker, n);
    } finally {
      connection.close();
    }
  }

  private void work(int worker) {
    for (int n = 0; !stopping; n++) {
      try {
        once(worker, n);
      } catch (SQLException error) {
        synchronized (this) {
          if (errors.size() < 20) errors.add(Instant.now() + " " + error.getMessage());
        }
      }
      pause(20 + ThreadLocalRandom.current().nextInt(380));
    }
  }

  private static void pause(long milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  public static void main(String[] args) throws Exception {
    int count = Integer.parseInt(args[1]);
    Application application = new Application(args[0], count);
    List<Thread> workers = new ArrayList<>();
    for (int index = 0; index < count; index++) {
      int worker = index;
      Thread thread = new Thread(() -> application.work(worker));
      thread.start();
      workers.add(thread);
    }
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.split(" ", 2);
      if (words[0].equals("stop")) break;
      if (words[0].equals("report")) application.tell();
      if (words[0].equals("password")) {
        synchronized (application) {
          application.passwords.add(words[1]);
        }
      }
    }
    application.stopping = true;
    for (Thread worker : workers) worker.join();
    application.tell();
    System.exit(0);
  }
}
