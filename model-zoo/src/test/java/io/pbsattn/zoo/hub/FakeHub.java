package io.pbsattn.zoo.hub;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Behaves like the hub: lists a model's files, says by HEAD what each is, redirects small ones to a
 * path of its own and large ones to a second server with ranges, which stands for the CDN. Tests
 * put faults in its way.
 */
final class FakeHub implements AutoCloseable {

    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    /** Files of this size and more are kept as the hub keeps large ones. */
    static final int LARGE = 10_000;

    final Map<String, byte[]> files = new LinkedHashMap<>();
    final List<Request> requests = new CopyOnWriteArrayList<>();

    /** Whether the listing states sizes and checksums, as the hub does and mirrors may not. */
    boolean listsSizes;

    private final List<Fault> faults = new CopyOnWriteArrayList<>();
    private final ExecutorService executor = Executors.newCachedThreadPool();
    private final HttpServer hub;
    private final HttpServer cdn;
    private final String model;

    FakeHub(String model) throws IOException {
        this.model = model;
        hub = server("hub");
        cdn = server("cdn");
    }

    /** What was asked. */
    record Request(String server, String method, String path, String range, String token) {

        boolean isGet(String file) {
            return "GET".equals(method) && path.endsWith("/" + file);
        }

        /** The first byte that was asked for. */
        long first() {
            return range == null ? 0 : Long.parseLong(range.replaceAll("bytes=(\\d+)-.*", "$1"));
        }
    }

    /** Answers in the place of a server; returns false to let it answer. */
    @FunctionalInterface
    interface Answer {
        boolean answer(HttpExchange exchange) throws IOException;
    }

    private static final class Fault {
        private final Predicate<Request> when;
        private final Answer answer;
        private int left;

        Fault(Predicate<Request> when, int times, Answer answer) {
            this.when = when;
            this.answer = answer;
            left = times;
        }

        synchronized boolean takes(Request request) {
            return left > 0 && when.test(request) && left-- > 0;
        }
    }

    /** A model as users have them, of random bytes. */
    static FakeHub withSmallModel(int weightBytes) throws IOException {
        FakeHub hub = new FakeHub("org/tiny");
        hub.files.put(
                "config.json", "{\"model_type\": \"llama\"}".getBytes(StandardCharsets.UTF_8));
        hub.files.put("tokenizer.json", "{}".getBytes(StandardCharsets.UTF_8));
        hub.files.put("model.safetensors", bytes(weightBytes, 1));
        return hub;
    }

    static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new java.util.Random(seed).nextBytes(bytes);
        return bytes;
    }

    void addFolder(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            for (Path file : children.toList()) {
                files.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
    }

    String endpoint() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    String cdnEndpoint() {
        return "http://localhost:" + cdn.getAddress().getPort();
    }

    /** Answers so many of the requests that match in another way. */
    void fault(Predicate<Request> when, int times, Answer answer) {
        faults.add(new Fault(when, times, answer));
    }

    /** Answers with a status and headers "Name: value". */
    static Answer status(int status, String... headers) {
        return exchange -> {
            for (String header : headers) {
                int colon = header.indexOf(':');
                exchange.getResponseHeaders()
                        .set(header.substring(0, colon), header.substring(colon + 1).strip());
            }
            exchange.sendResponseHeaders(status, -1);
            return true;
        };
    }

    /** Promises what was asked for, sends so many bytes of it and closes the connection. */
    Answer dropAfter(int bytes) {
        return exchange -> {
            Range range = Range.of(exchange, content(exchange));
            range.sendHeaders(exchange);
            OutputStream out = exchange.getResponseBody();
            out.write(range.content, range.first, Math.min(bytes, range.length()));
            out.flush();
            return true; // closing the exchange with bytes left closes the connection
        };
    }

    List<Request> gets(String file) {
        // The hub itself only redirects.
        return requests.stream()
                .filter(r -> r.isGet(file) && (r.server.equals("cdn") || r.path.contains("cache")))
                .toList();
    }

    static String sha256(byte[] content) {
        return digest("SHA-256", content);
    }

    static String gitSha1(byte[] content) {
        byte[] header = ("blob " + content.length + '\0').getBytes(StandardCharsets.US_ASCII);
        byte[] all = new byte[header.length + content.length];
        System.arraycopy(header, 0, all, 0, header.length);
        System.arraycopy(content, 0, all, header.length, content.length);
        return digest("SHA-1", all);
    }

    static String etag(byte[] content) {
        return content.length >= LARGE ? sha256(content) : gitSha1(content);
    }

    private static String digest(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private HttpServer server(String name) throws IOException {
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(executor);
        server.createContext("/", exchange -> handle(name, exchange));
        server.start();
        return server;
    }

    private void handle(String server, HttpExchange exchange) {
        Request request =
                new Request(
                        server,
                        exchange.getRequestMethod(),
                        exchange.getRequestURI().getRawPath(),
                        exchange.getRequestHeaders().getFirst("Range"),
                        exchange.getRequestHeaders().getFirst("Authorization"));
        requests.add(request);
        try (exchange) {
            for (Fault fault : faults) {
                if (fault.takes(request) && fault.answer.answer(exchange)) {
                    return;
                }
            }
            if ("cdn".equals(server)) {
                send(exchange, content(exchange));
            } else {
                answerHub(exchange, request.path);
            }
        } catch (IOException e) {
            // The client went away, or a fault wanted it so.
            requests.add(new Request(server, "END", request.path, e.getMessage(), null));
        }
    }

    private void answerHub(HttpExchange exchange, String path) throws IOException {
        if (path.startsWith("/api/models/" + model + "/revision/")) {
            String revision = path.substring(path.lastIndexOf('/') + 1);
            revision = URLDecoder.decode(revision, StandardCharsets.UTF_8);
            if (!List.of("main", "v1.0", "refs/pr/1", COMMIT).contains(revision)) {
                status(404, "X-Error-Code: RevisionNotFound").answer(exchange);
            } else {
                send(exchange, listing().getBytes(StandardCharsets.UTF_8));
            }
        } else if (path.startsWith("/api/resolve-cache/")) {
            byte[] content = content(exchange);
            exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
            exchange.getResponseHeaders().set("ETag", '"' + gitSha1(content) + '"');
            send(exchange, content);
        } else if (path.matches("/" + model + "/resolve/(main|" + COMMIT + ")/[^/]+")) {
            redirect(exchange, path.substring(path.lastIndexOf('/') + 1));
        } else {
            status(404, "X-Error-Code: RepoNotFound").answer(exchange);
        }
    }

    private String listing() {
        JsonArray siblings = new JsonArray();
        for (String name : files.keySet()) {
            JsonObject sibling = new JsonObject();
            sibling.addProperty("rfilename", name);
            if (listsSizes) {
                byte[] content = files.get(name);
                sibling.addProperty("size", content.length);
                sibling.addProperty("blobId", gitSha1(content));
                if (content.length >= LARGE) {
                    JsonObject lfs = new JsonObject();
                    lfs.addProperty("size", content.length);
                    lfs.addProperty("sha256", sha256(content));
                    sibling.add("lfs", lfs);
                }
            }
            siblings.add(sibling);
        }
        JsonObject json = new JsonObject();
        json.addProperty("id", model);
        json.addProperty("sha", COMMIT);
        json.add("siblings", siblings);
        return json.toString();
    }

    private void redirect(HttpExchange exchange, String name) throws IOException {
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        byte[] content = files.get(name);
        if (content == null) {
            status(404, "X-Error-Code: EntryNotFound").answer(exchange);
        } else if (content.length < LARGE) {
            status(307, "Location: /api/resolve-cache/models/" + name).answer(exchange);
        } else {
            status(
                            302,
                            "X-Linked-Etag: \"" + sha256(content) + '"',
                            "X-Linked-Size: " + content.length,
                            "Location: " + cdnEndpoint() + "/signed/" + name + "?signature=s")
                    .answer(exchange);
        }
    }

    private byte[] content(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        byte[] content = files.get(path.substring(path.lastIndexOf('/') + 1));
        if (content == null) {
            throw new IOException(path);
        }
        return content;
    }

    private static void send(HttpExchange exchange, byte[] content) throws IOException {
        if ("HEAD".equals(exchange.getRequestMethod())) {
            exchange.getResponseHeaders().set("Content-Length", "" + content.length);
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        Range range = Range.of(exchange, content);
        range.sendHeaders(exchange);
        exchange.getResponseBody().write(content, range.first, range.length());
    }

    /** The part of a content that a request asks for. */
    private static final class Range {

        private final byte[] content;
        private final boolean isPart;
        private final int first;
        private final int last;

        private Range(byte[] content, boolean isPart, int first, int last) {
            this.content = content;
            this.isPart = isPart;
            this.first = first;
            this.last = last;
        }

        static Range of(HttpExchange exchange, byte[] content) {
            String range = exchange.getRequestHeaders().getFirst("Range");
            if (range == null) {
                return new Range(content, false, 0, content.length - 1);
            }
            String[] ends = range.substring("bytes=".length()).split("-", -1);
            return new Range(content, true, Integer.parseInt(ends[0]), Integer.parseInt(ends[1]));
        }

        int length() {
            return last - first + 1;
        }

        void sendHeaders(HttpExchange exchange) throws IOException {
            if (isPart) {
                exchange.getResponseHeaders()
                        .set("Content-Range", "bytes " + first + '-' + last + '/' + content.length);
            }
            exchange.sendResponseHeaders(isPart ? 206 : 200, length());
        }
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        hub.stop(0);
        cdn.stop(0);
        executor.shutdownNow();
    }

    /** All files below a folder, as names relative to it. */
    static List<String> tree(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(f -> !Files.isDirectory(f))
                    .map(f -> folder.relativize(f).toString())
                    .sorted()
                    .toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }
}
