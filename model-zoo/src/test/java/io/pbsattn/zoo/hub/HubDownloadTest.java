package io.pbsattn.zoo.hub;

import ai.djl.util.Progress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.testng.Assert;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Downloads from a server that behaves like the hub, in good times and bad. */
public class HubDownloadTest {

    private static final int CHUNK = 20_000;
    private static final int WEIGHTS = 130_000;
    private static final String FILE = "model.safetensors";
    private static final String FOLDER = "models--org--tiny";
    private static final HubModelId MODEL = HubModelId.parse("hf://org/tiny");

    private FakeHub server;
    private Path cache;
    private List<Duration> waits;

    @BeforeMethod
    public void start() throws IOException {
        server = FakeHub.withSmallModel(WEIGHTS);
        cache = Files.createTempDirectory("hub");
        waits = new ArrayList<>();
    }

    @AfterMethod
    public void stop() {
        server.close();
    }

    private HubSettings settings() {
        return HubSettings.fromEnvironment()
                .optEndpoint(server.endpoint())
                .optCache(cache)
                .optToken("secret")
                .optOffline(false);
    }

    private Hub hub() {
        return hub(settings());
    }

    private Hub hub(HubSettings settings) {
        return new Hub(settings, waits::add, CHUNK, folder -> Long.MAX_VALUE);
    }

    private HubException failure() {
        return Assert.expectThrows(HubException.class, () -> hub().download(MODEL, null));
    }

    private void assertWhole(Path snapshot) throws IOException {
        for (String name : List.of("config.json", "tokenizer.json", FILE)) {
            Assert.assertEquals(
                    Files.readAllBytes(snapshot.resolve(name)), server.files.get(name), name);
        }
    }

    /** Neither a blob nor a name in a snapshot. */
    private void assertNoWeights() throws IOException {
        byte[] content = server.files.get(FILE);
        for (String file : FakeHub.tree(cache)) {
            Assert.assertFalse(file.endsWith("/" + FILE), file);
            Assert.assertFalse(file.endsWith("blobs/" + FakeHub.sha256(content)), file);
        }
        Assert.assertTrue(hub().cached(MODEL).isEmpty());
    }

    @Test
    public void laysOutTheCacheAsHuggingFaceDoes() throws Exception {
        server.files.put("generation_config.json", new byte[] {'{', ' ', '}'});
        server.files.put("chat_template.jinja", new byte[] {'x'});
        server.files.put("pytorch_model.bin", FakeHub.bytes(20_000, 2));
        server.files.put("original/consolidated.safetensors", FakeHub.bytes(20_000, 3));
        server.files.put("consolidated.safetensors", FakeHub.bytes(20_000, 4));
        server.files.put("tiny.gguf", FakeHub.bytes(20_000, 5));
        Path snapshot = hub().download(MODEL, null);
        Path folder = cache.resolve(FOLDER);
        Assert.assertEquals(snapshot, folder.resolve("snapshots").resolve(FakeHub.COMMIT));
        Assert.assertEquals(Files.readString(folder.resolve("refs/main")), FakeHub.COMMIT);
        Assert.assertEquals(
                FakeHub.tree(snapshot),
                List.of(
                        "chat_template.jinja",
                        "config.json",
                        "generation_config.json",
                        FILE,
                        "tokenizer.json"));
        for (String name : FakeHub.tree(snapshot)) {
            byte[] content = server.files.get(name);
            String etag = FakeHub.etag(content);
            Assert.assertEquals(Files.readAllBytes(folder.resolve("blobs").resolve(etag)), content);
            Path link = Files.readSymbolicLink(snapshot.resolve(name));
            Assert.assertEquals(link, Path.of("../../blobs", etag), name);
        }
        Assert.assertEquals(FakeHub.tree(folder.resolve("blobs")).size(), 5);
        for (String name : List.of("pytorch_model.bin", "consolidated.safetensors", "tiny.gguf")) {
            Assert.assertTrue(server.requests.stream().noneMatch(r -> r.path().endsWith(name)));
        }
    }

    @Test
    public void asksOnlyForWhatIsMissing() throws Exception {
        hub().download(MODEL, null);
        server.requests.clear();
        assertWhole(hub().download(MODEL, null));
        Assert.assertEquals(server.requests.size(), 1, "the listing");
        HubModelId pinned = new HubModelId("org/tiny", FakeHub.COMMIT);
        server.requests.clear();
        assertWhole(hub().download(pinned, null));
        Assert.assertEquals(server.requests.size(), 0, "a commit does not change");
        HubModelId tag = HubModelId.parse("hf://org/tiny@refs/pr/1");
        assertWhole(hub().download(tag, null));
        Assert.assertEquals(
                Files.readString(cache.resolve(FOLDER).resolve("refs/refs/pr/1")), FakeHub.COMMIT);
        Assert.assertEquals(server.requests.size(), 1);
        Assert.assertTrue(server.requests.get(0).path().endsWith("/revision/refs%2Fpr%2F1"));
    }

    @Test
    public void tokenIsForTheHubAlone() throws Exception {
        hub().download(MODEL, null);
        int atTheCdn = 0;
        for (FakeHub.Request request : server.requests) {
            boolean isHub = "hub".equals(request.server());
            Assert.assertEquals(request.token(), isHub ? "Bearer secret" : null, request.path());
            atTheCdn += isHub ? 0 : 1;
        }
        Assert.assertTrue(atTheCdn > 1, "the weights come from another server");
        server.requests.clear();
        cache = Files.createTempDirectory("hub");
        hub(settings().optToken("")).download(MODEL, null);
        Assert.assertTrue(server.requests.stream().allMatch(r -> r.token() == null));
    }

    @Test
    public void tokenThatIsNoneIsNotShown() {
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class, () -> settings().optToken("se\ncret"));
        Assert.assertFalse(e.getMessage().contains("cret"), e.getMessage());
    }

    @Test
    public void fetchesRangesAtTheSameTime() throws Exception {
        CountDownLatch together = new CountDownLatch(3);
        AtomicLong alone = new AtomicLong();
        server.fault(
                r -> "cdn".equals(r.server()),
                3,
                exchange -> {
                    together.countDown();
                    try {
                        // Goes on when two others are there, and so never if they come in turn.
                        if (!together.await(20, TimeUnit.SECONDS)) {
                            alone.incrementAndGet();
                        }
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                    return false;
                });
        assertWhole(hub().download(MODEL, null));
        Assert.assertEquals(alone.get(), 0);
        List<Long> firsts =
                server.gets(FILE).stream().map(FakeHub.Request::first).sorted().toList();
        Assert.assertEquals(
                firsts, List.of(0L, 20_000L, 40_000L, 60_000L, 80_000L, 100_000L, 120_000L));
    }

    @Test
    public void droppedConnectionGoesOnWhereItWas() throws Exception {
        server.fault(
                r -> "cdn".equals(r.server()) && r.first() == 40_000, 1, server.dropAfter(7_000));
        assertWhole(hub().download(MODEL, null));
        List<String> ranges =
                server.gets(FILE).stream()
                        .map(FakeHub.Request::range)
                        .filter(r -> r.endsWith("-59999"))
                        .toList();
        // How much of what was sent has arrived when the connection breaks is up to the network.
        Assert.assertEquals(ranges.size(), 2, ranges.toString());
        Assert.assertEquals(ranges.get(0), "bytes=40000-59999");
        long next = Long.parseLong(ranges.get(1).replaceAll("bytes=(\\d+)-.*", "$1"));
        Assert.assertTrue(next > 40_000 && next <= 47_000, ranges.toString());
        Assert.assertEquals(waits, List.of(Duration.ofSeconds(1)));
    }

    @Test
    public void interruptedDownloadGoesOnTheNextTime() throws Exception {
        server.fault(r -> r.isGet(FILE) && r.first() >= 60_000, 1000, server.dropAfter(0));
        HubException e = failure();
        Assert.assertTrue(e instanceof HubUnavailableException, e.toString());
        Assert.assertTrue(e.getMessage().contains(FILE), e.getMessage());
        assertNoWeights();
        String part = "blobs/" + FakeHub.sha256(server.files.get(FILE)) + ".pbs-attn.incomplete";
        Assert.assertEquals(Files.size(cache.resolve(FOLDER).resolve(part)), 60_000);
        try (FakeHub again = FakeHub.withSmallModel(WEIGHTS)) {
            assertWhole(hub(settings().optEndpoint(again.endpoint())).download(MODEL, null));
            long first =
                    again.gets(FILE).stream().mapToLong(FakeHub.Request::first).min().orElse(0);
            Assert.assertEquals(first, 60_000);
        }
        Assert.assertFalse(Files.exists(cache.resolve(FOLDER).resolve(part)));
    }

    @Test
    public void serverWithoutRangesSendsAll() throws Exception {
        server.fault(
                r -> r.isGet(FILE) && "cdn".equals(r.server()),
                1000,
                exchange -> {
                    exchange.sendResponseHeaders(200, WEIGHTS);
                    exchange.getResponseBody().write(server.files.get(FILE));
                    return true;
                });
        assertWhole(hub().download(MODEL, null));
    }

    @Test
    public void signedAddressThatLapsesIsAskedForAgain() throws Exception {
        // So far back that the address is known from ranges before it.
        server.files.put(FILE, FakeHub.bytes(20 * CHUNK, 9));
        server.fault(
                r -> "cdn".equals(r.server()) && r.first() == 19 * CHUNK, 1, FakeHub.status(403));
        assertWhole(hub().download(MODEL, null));
        // The first eight ranges find the address; those after them ask again only where it lapsed.
        long askedAgain =
                server.requests.stream()
                        .filter(r -> r.isGet(FILE) && "hub".equals(r.server()))
                        .filter(r -> r.first() >= 8 * CHUNK)
                        .count();
        Assert.assertTrue(askedAgain >= 1);
        Assert.assertEquals(
                server.gets(FILE).stream().filter(r -> r.first() == 19 * CHUNK).count(), 2);
    }

    @Test
    public void silentServerIsGivenUp() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        server.fault(
                r -> r.isGet(FILE) && r.first() == 20_000,
                1,
                exchange -> {
                    exchange.getResponseHeaders().set("Content-Range", "bytes 20000-39999/130000");
                    exchange.sendResponseHeaders(206, 20_000);
                    exchange.getResponseBody().write(server.files.get(FILE), 20_000, 100);
                    exchange.getResponseBody().flush();
                    try {
                        end.await();
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                    return true;
                });
        try {
            assertWhole(hub(settings().optTimeout(Duration.ofSeconds(2))).download(MODEL, null));
            Assert.assertFalse(waits.isEmpty());
        } finally {
            end.countDown();
        }
    }

    @DataProvider
    public Object[][] files() {
        return new Object[][] {{FILE}, {"config.json"}};
    }

    @Test(dataProvider = "files")
    public void wrongContentIsRemovedAndNamed(String name) throws Exception {
        byte[] right = server.files.get(name);
        String expected = FakeHub.etag(right);
        byte[] wrong = right.clone();
        wrong[wrong.length / 2] ^= 1;
        boolean isLarge = right.length >= FakeHub.LARGE;
        server.files.put(name, wrong);
        server.fault(
                r -> "HEAD".equals(r.method()) && r.path().endsWith(name),
                2,
                FakeHub.status(
                        200,
                        (isLarge ? "X-Linked-Etag: \"" : "ETag: W/\"") + expected + '"',
                        "X-Linked-Size: " + right.length));
        HubException e = failure();
        for (String word : List.of(name, expected, FakeHub.etag(wrong), "checksum")) {
            Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
        }
        for (String file : FakeHub.tree(cache)) {
            Assert.assertFalse(file.contains(expected), file);
        }
        server.files.put(name, right);
        assertWhole(hub().download(MODEL, null));
    }

    @DataProvider
    public Object[][] verdicts() {
        return new Object[][] {
            {401, "", "HF_TOKEN"},
            {401, "GatedRepo", "licence"},
            {403, "GatedRepo", "licence"},
            {403, "", "HF_TOKEN"},
            {404, "RepoNotFound", "no such model"},
            {404, "RevisionNotFound", "no such revision"},
            {404, "", "no such model, revision or file"},
            {418, "", "418"},
        };
    }

    @Test(dataProvider = "verdicts")
    public void verdictsOfTheHubAreExplained(int status, String code, String word)
            throws Exception {
        String[] headers = code.isEmpty() ? new String[0] : new String[] {"X-Error-Code: " + code};
        server.fault(r -> r.path().startsWith("/api/"), 1000, FakeHub.status(status, headers));
        HubException e = failure();
        Assert.assertFalse(e instanceof HubUnavailableException);
        for (String expected : List.of("hf://org/tiny", "" + status, word)) {
            Assert.assertTrue(e.getMessage().contains(expected), e.getMessage());
        }
        Assert.assertFalse(e.getMessage().contains("secret"), e.getMessage());
        Assert.assertEquals(server.requests.size(), 1, "another try is of no use");
    }

    @Test
    public void missingFileAndRevisionAreNamed() {
        server.fault(
                r -> "HEAD".equals(r.method()) && r.path().endsWith(FILE),
                1000,
                FakeHub.status(404, "X-Error-Code: EntryNotFound"));
        HubException e = failure();
        Assert.assertTrue(e.getMessage().contains("hf://org/tiny: " + FILE), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("no such file"), e.getMessage());
        HubModelId absent = HubModelId.parse("hf://org/tiny@absent");
        e = Assert.expectThrows(HubException.class, () -> hub().download(absent, null));
        Assert.assertTrue(e.getMessage().contains("hf://org/tiny@absent"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("no such revision"), e.getMessage());
    }

    @DataProvider
    public Object[][] busy() {
        return new Object[][] {{429}, {503}, {500}};
    }

    @Test(dataProvider = "busy")
    public void busyServerIsAskedAgain(int status) throws Exception {
        server.fault(
                r -> r.path().startsWith("/api/m"), 1, FakeHub.status(status, "Retry-After: 7"));
        server.fault(r -> r.path().startsWith("/api/m"), 1, FakeHub.status(status));
        server.fault(r -> "HEAD".equals(r.method()), 1, FakeHub.status(status));
        server.fault(r -> r.isGet(FILE) && "cdn".equals(r.server()), 1, FakeHub.status(status));
        assertWhole(hub().download(MODEL, null));
        Assert.assertEquals(
                waits.stream().map(Duration::toSeconds).toList(), List.of(7L, 2L, 1L, 1L));
    }

    @Test
    public void busyServerIsNotAskedForEver() {
        server.fault(r -> true, 1000, FakeHub.status(503));
        HubException e = failure();
        Assert.assertTrue(e instanceof HubUnavailableException);
        Assert.assertTrue(e.getMessage().contains("503"), e.getMessage());
        Assert.assertEquals(server.requests.size(), Retry.ATTEMPTS);
        Assert.assertEquals(
                waits.stream().map(Duration::toSeconds).toList(), List.of(1L, 2L, 4L, 8L, 16L));
    }

    @Test
    public void longWaitIsLeftToTheUser() {
        server.fault(r -> true, 1000, FakeHub.status(429, "Retry-After: 3600"));
        HubException e = failure();
        Assert.assertTrue(e.getMessage().contains("wait 3600 s"), e.getMessage());
        Assert.assertEquals(waits, List.of());
        Assert.assertEquals(server.requests.size(), 1);
    }

    @Test
    public void retryAfterMayBeADate() throws Exception {
        server.fault(
                r -> r.path().startsWith("/api/m"),
                1,
                FakeHub.status(503, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"));
        assertWhole(hub().download(MODEL, null));
        Assert.assertEquals(waits, List.of(Duration.ZERO));
    }

    @Test
    public void redirectsEnd() {
        server.fault(
                r -> r.path().startsWith("/api/"),
                1000,
                FakeHub.status(302, "Location: /api/again"));
        HubException e = failure();
        Assert.assertTrue(e.getMessage().contains("redirected more than"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("/api/again"), e.getMessage());
        Assert.assertTrue(server.requests.size() < 20);
    }

    @DataProvider
    public Object[][] locations() {
        return new Object[][] {{"file:///etc/passwd"}, {"ftp://127.0.0.1/x"}, {""}, {"ht tp:"}};
    }

    @Test(dataProvider = "locations")
    public void redirectsStayOnTheWeb(String location) {
        server.fault(
                r -> r.path().startsWith("/api/"),
                1000,
                FakeHub.status(302, "Location: " + location));
        Assert.assertTrue(failure().getMessage().contains("redirected to '" + location + "'"));
    }

    @DataProvider
    public Object[][] malicious() {
        return new Object[][] {
            {"../x"},
            {"a/../../x"},
            {"/etc/passwd"},
            {"..\\x"},
            {"C:x"},
            {"a\0b"},
            {""},
            {"a//b"},
            {"./config.json"},
            {".."},
        };
    }

    @Test(dataProvider = "malicious")
    public void namesThatLeadOutAreRefused(String name) throws Exception {
        server.files.put(name, new byte[] {1});
        HubException e = failure();
        String shown = "'" + name.replace('\0', '?') + "'";
        Assert.assertTrue(e.getMessage().contains(shown), e.getMessage());
        Assert.assertEquals(FakeHub.tree(cache), List.of());
    }

    @Test(dataProvider = "malicious")
    public void shardsThatLeadOutAreRefused(String name) throws Exception {
        com.google.gson.JsonObject map = new com.google.gson.JsonObject();
        map.addProperty("tensor", name);
        com.google.gson.JsonObject index = new com.google.gson.JsonObject();
        index.add("weight_map", map);
        server.files.remove(FILE);
        server.files.put(FILE + ".index.json", index.toString().getBytes(StandardCharsets.UTF_8));
        HubException e = failure();
        String shown = "'" + name.replace('\0', '?') + "'";
        Assert.assertTrue(e.getMessage().contains(shown), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(FILE + ".index.json"), e.getMessage());
    }

    @DataProvider
    public Object[][] answers() {
        return new Object[][] {
            {"[]"},
            {"{}"},
            {"not JSON"},
            {"{\"sha\": \"../../x\", \"siblings\": []}"},
            {"{\"sha\": \"" + FakeHub.COMMIT + "\", \"siblings\": {}}"},
            {"{\"sha\": \"" + FakeHub.COMMIT + "\", \"siblings\": [{}]}"},
            {"{\"sha\": [], \"siblings\": []}"},
        };
    }

    @Test(dataProvider = "answers")
    public void otherAnswersThanAHubsAreRefused(String answer) throws Exception {
        server.fault(
                r -> r.path().startsWith("/api/"),
                1,
                exchange -> {
                    exchange.sendResponseHeaders(200, answer.length());
                    exchange.getResponseBody().write(answer.getBytes(StandardCharsets.UTF_8));
                    return true;
                });
        Assert.assertTrue(failure().getMessage().contains("hf://org/tiny"));
        Assert.assertEquals(FakeHub.tree(cache), List.of());
    }

    @Test
    public void etagsBecomeNoPaths() throws Exception {
        server.fault(
                r -> "HEAD".equals(r.method()),
                1,
                FakeHub.status(200, "ETag: \"../../../x\"", "Content-Length: 3"));
        Assert.assertTrue(failure().getMessage().contains("../../../x"));
    }

    @Test
    public void shardsOfTheIndexAreFetched() throws Exception {
        server.files.remove(FILE);
        String index =
                "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\":"
                        + " \"model-2.safetensors\"}}";
        server.files.put(FILE + ".index.json", index.getBytes(StandardCharsets.UTF_8));
        server.files.put("model-1.safetensors", FakeHub.bytes(30_000, 6));
        HubException e = failure();
        Assert.assertTrue(e.getMessage().contains("model-2.safetensors"), e.getMessage());
        server.files.put("model-2.safetensors", FakeHub.bytes(30_000, 7));
        server.files.put("other.safetensors", FakeHub.bytes(30_000, 8));
        Assert.assertEquals(
                FakeHub.tree(hub().download(MODEL, null)),
                List.of(
                        "config.json",
                        "model-1.safetensors",
                        "model-2.safetensors",
                        FILE + ".index.json",
                        "tokenizer.json"));
    }

    @Test
    public void modelsOfOtherFormatsAreRefused() {
        server.files.remove(FILE);
        server.files.put("pytorch_model.bin", new byte[] {1});
        Assert.assertTrue(failure().getMessage().contains(FILE));
        server.files.remove("config.json");
        Assert.assertTrue(failure().getMessage().contains("config.json"));
    }

    @Test
    public void fullDiskIsSeenAhead() throws Exception {
        Hub hub = new Hub(settings(), waits::add, CHUNK, folder -> WEIGHTS - 1L);
        HubException e = Assert.expectThrows(HubException.class, () -> hub.download(MODEL, null));
        String expected = String.format("needed %,d bytes, free %,d", WEIGHTS, WEIGHTS - 1);
        Assert.assertTrue(e.getMessage().contains(expected), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(cache.toString()), e.getMessage());
        Assert.assertEquals(server.gets(FILE).size(), 0);
        assertNoWeights();
    }

    @Test
    public void offlineTakesWhatThereIs() throws Exception {
        HubSettings offline = settings().optOffline(true);
        HubException e =
                Assert.expectThrows(HubException.class, () -> hub(offline).download(MODEL, null));
        Assert.assertTrue(e.getMessage().contains("HF_HUB_OFFLINE"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("hf://org/tiny"), e.getMessage());
        hub().download(MODEL, null);
        server.requests.clear();
        assertWhole(hub(offline).download(MODEL, null));
        Assert.assertEquals(server.requests.size(), 0);
        Files.delete(hub().cached(MODEL).orElseThrow().resolve(FILE));
        Assert.expectThrows(HubException.class, () -> hub(offline).download(MODEL, null));
    }

    @Test
    public void hubOutOfReachIsNoMatterForWhatIsCached() throws Exception {
        hub().download(MODEL, null);
        server.fault(r -> true, 1000, FakeHub.status(503));
        assertWhole(hub().download(MODEL, null));
        server.close();
        assertWhole(hub().download(MODEL, null));
        HubModelId other = HubModelId.parse("hf://org/other");
        HubException e = Assert.expectThrows(HubException.class, () -> hub().download(other, null));
        Assert.assertTrue(e.getMessage().contains("ConnectException"), e.getMessage());
    }

    /** Sent with an encoding that nobody asked for, sizes and content are not the file's. */
    @Test
    public void encodedFilesAreRefused() throws Exception {
        byte[] content = server.files.get("config.json");
        String etag = "ETag: W/\"zipped\"";
        server.fault(
                r -> "HEAD".equals(r.method()) && r.path().endsWith("config.json"),
                2,
                FakeHub.status(200, etag, "X-Linked-Size: " + content.length));
        server.fault(
                r -> r.isGet("config.json"),
                9,
                exchange -> {
                    exchange.getResponseHeaders().set("Content-Encoding", "gzip");
                    exchange.sendResponseHeaders(200, content.length);
                    exchange.getResponseBody().write(content);
                    return true;
                });
        HubException e = failure();
        Assert.assertTrue(e.getMessage().contains("config.json"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("Content-Encoding 'gzip'"), e.getMessage());
        Assert.assertTrue(hub().cached(MODEL).isEmpty());
    }

    /**
     * A file of which nobody states a checksum is cut: by its listing, or its own form, it shows.
     */
    @Test
    public void cutFilesWithoutAChecksumAreRefused() throws Exception {
        byte[] whole = server.files.get("config.json");
        byte[] cut = Arrays.copyOf(whole, whole.length - 4);
        for (boolean isListed : new boolean[] {true, false}) {
            server.listsSizes = isListed;
            server.files.put("config.json", whole);
            server.fault(
                    r -> "HEAD".equals(r.method()) && r.path().endsWith("config.json"),
                    1,
                    FakeHub.status(200, "ETag: \"opaque\"", "X-Linked-Size: " + cut.length));
            server.fault(
                    r -> r.isGet("config.json"),
                    1,
                    exchange -> {
                        exchange.sendResponseHeaders(200, cut.length);
                        exchange.getResponseBody().write(cut);
                        return true;
                    });
            HubException e = failure();
            Assert.assertTrue(e.getMessage().contains("config.json"), e.getMessage());
            String word = isListed ? "the hub lists " + whole.length + " bytes" : "not whole";
            Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
            Assert.assertTrue(hub().cached(MODEL).isEmpty());
            Assert.assertTrue(
                    FakeHub.tree(cache).stream().noneMatch(f -> f.endsWith("blobs/opaque")));
        }
    }

    /** Where the ETag is no checksum, that of the listing counts. */
    @Test
    public void checksumOfTheListingCounts() throws Exception {
        server.listsSizes = true;
        byte[] wrong = server.files.get("config.json").clone();
        wrong[3] ^= 1;
        server.fault(
                r -> "HEAD".equals(r.method()) && r.path().endsWith("config.json"),
                1,
                FakeHub.status(200, "ETag: \"opaque\"", "X-Linked-Size: " + wrong.length));
        server.fault(
                r -> r.isGet("config.json"),
                1,
                exchange -> {
                    exchange.sendResponseHeaders(200, wrong.length);
                    exchange.getResponseBody().write(wrong);
                    return true;
                });
        HubException e = failure();
        Assert.assertTrue(e.getMessage().contains("checksum"), e.getMessage());
    }

    /** A machine without a network is told so in some seconds, not after all attempts. */
    @Test
    public void hubOutOfReachIsGivenUpSoon() throws Exception {
        server.close();
        HubException e = failure();
        Assert.assertTrue(e instanceof HubUnavailableException);
        Assert.assertTrue(
                waits.stream().mapToLong(Duration::toSeconds).sum() <= 12, waits.toString());
        waits.clear();
        HubSettings unknown = settings().optEndpoint("http://no-such-host.invalid");
        HubException e2 =
                Assert.expectThrows(HubException.class, () -> hub(unknown).download(MODEL, null));
        Assert.assertTrue(e2.getMessage().contains("no-such-host.invalid"), e2.getMessage());
        Assert.assertTrue(
                waits.stream().mapToLong(Duration::toSeconds).sum() <= 12, waits.toString());
        waits.clear();
        HubSettings impatient = settings().optReachTimeout(Duration.ofMillis(1));
        Assert.expectThrows(HubException.class, () -> hub(impatient).download(MODEL, null));
        Assert.assertEquals(waits, List.of());
    }

    @Test
    public void brokenLinkIsRepaired() throws Exception {
        Path snapshot = hub().download(MODEL, null);
        Files.delete(
                cache.resolve(FOLDER)
                        .resolve("blobs")
                        .resolve(FakeHub.sha256(server.files.get(FILE))));
        Assert.assertTrue(hub().cached(MODEL).isEmpty());
        assertWhole(hub().download(MODEL, null));
        // A blob that was cut is not taken for the file.
        Files.delete(snapshot.resolve(FILE));
        Files.write(
                cache.resolve(FOLDER)
                        .resolve("blobs")
                        .resolve(FakeHub.sha256(server.files.get(FILE))),
                new byte[] {1, 2});
        assertWhole(hub().download(MODEL, null));
    }

    @Test
    public void copiesWhereThereAreNoLinks() throws Exception {
        Path blob = Files.write(cache.resolve("blob"), new byte[] {1, 2, 3});
        Path file = cache.resolve("file");
        HubCache.copy(blob, file);
        Assert.assertTrue(Files.isRegularFile(file, java.nio.file.LinkOption.NOFOLLOW_LINKS));
        Assert.assertEquals(Files.readAllBytes(file), new byte[] {1, 2, 3});
        Assert.assertEquals(FakeHub.tree(cache), List.of("blob", "file"));
    }

    @Test
    public void progressIsTheBytesOfTheWeights() throws Exception {
        List<Long> totals = new ArrayList<>();
        AtomicLong bytes = new AtomicLong();
        Progress progress =
                new Progress() {
                    @Override
                    public void reset(String message, long max, String trailingMessage) {
                        totals.add(max);
                    }

                    @Override
                    public void start(long initialProgress) {
                        bytes.addAndGet(initialProgress);
                    }

                    @Override
                    public void end() {
                        totals.add(-1L);
                    }

                    @Override
                    public void increment(long increment) {
                        bytes.addAndGet(increment);
                    }

                    @Override
                    public void update(long progress, String message) {
                        throw new AssertionError();
                    }
                };
        server.fault(r -> r.isGet(FILE) && r.first() >= 60_000, 30, server.dropAfter(0));
        Assert.expectThrows(HubException.class, () -> hub().download(MODEL, progress));
        Assert.assertEquals(bytes.get(), 60_000);
        try (FakeHub again = FakeHub.withSmallModel(WEIGHTS)) {
            bytes.set(0);
            hub(settings().optEndpoint(again.endpoint())).download(MODEL, progress);
        }
        Assert.assertEquals(bytes.get(), WEIGHTS);
        Assert.assertEquals(totals, List.of((long) WEIGHTS, -1L, (long) WEIGHTS, -1L));
    }

    @Test
    public void listsWhatIsCached() throws Exception {
        Assert.assertEquals(hub().cached(), List.of());
        Path snapshot = hub().download(HubModelId.parse("hf://org/tiny@v1.0"), null);
        long bytes = server.files.values().stream().mapToLong(content -> content.length).sum();
        Path other = cache.resolve("models--org--other/snapshots/" + FakeHub.COMMIT);
        Files.createDirectories(other);
        Files.writeString(other.resolve("config.json"), "{}");
        Files.createDirectories(cache.resolve("datasets--org--data/snapshots/x"));
        Assert.assertEquals(
                hub().cached(),
                List.of(
                        new CachedModel("org/other", FakeHub.COMMIT, List.of(), 2, false, other),
                        new CachedModel(
                                "org/tiny",
                                FakeHub.COMMIT,
                                List.of("v1.0"),
                                bytes,
                                true,
                                snapshot)));
    }

    @Test
    public void threadsShareADownload() throws Exception {
        List<Thread> threads = new ArrayList<>();
        List<Path> folders = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < 4; ++i) {
            Thread thread =
                    new Thread(
                            () -> {
                                try {
                                    folders.add(hub().download(MODEL, null));
                                } catch (IOException e) {
                                    throw new java.io.UncheckedIOException(e);
                                }
                            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        Assert.assertEquals(folders.stream().filter(Objects::nonNull).count(), 4);
        assertWhole(folders.get(0));
        Assert.assertEquals(server.gets(FILE).size(), (WEIGHTS + CHUNK - 1) / CHUNK);
    }

    @DataProvider
    public Object[][] urls() {
        return new Object[][] {
            {"hf://org/model", "org/model", "main"},
            {"hf://org/model@v1.0", "org/model", "v1.0"},
            {"hf://Org_1/model-2.5_B@refs/pr/3?attention=dense", "Org_1/model-2.5_B", "refs/pr/3"},
            {"hf://gpt2", "gpt2", "main"},
            {"hf://gpt2@main", "gpt2", "main"},
        };
    }

    @Test(dataProvider = "urls")
    public void readsUrls(String url, String name, String revision) {
        Assert.assertEquals(HubModelId.parse(url), new HubModelId(name, revision));
    }

    @Test
    public void refusesOtherUrls() {
        for (String url :
                List.of(
                        "hf://",
                        "hf://a/b/c",
                        "hf://../x",
                        "hf://org/..",
                        "hf://org/m@",
                        "hf://a/b@../x",
                        "hf://a/b@/x",
                        "hf://a--b/c",
                        "hf://a/b@x/../y",
                        "http://a/b",
                        "hf:/a/b",
                        "hf:///etc/passwd",
                        "hf://a\\b/c")) {
            Assert.assertThrows(IllegalArgumentException.class, () -> HubModelId.parse(url));
        }
    }
}
