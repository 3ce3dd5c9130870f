package io.pbsattn.zoo.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.testng.Assert;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Downloads by processes of their own: side by side, killed in the middle, and on a full disk. */
public class HubProcessTest {

    private static final int CHUNK = 100_000;
    private static final int WEIGHTS = 1_000_000;
    private static final String FILE = "model.safetensors";
    private static final String URL = "hf://org/tiny";
    private static final HubModelId MODEL = HubModelId.parse(URL);

    private FakeHub server;
    private Path home;
    private Map<String, String> environment;

    @BeforeMethod
    public void start() throws IOException {
        server = FakeHub.withSmallModel(WEIGHTS);
        home = Files.createTempDirectory("home");
        environment = new HashMap<>(Map.of("HF_ENDPOINT", server.endpoint(), "HF_HOME", "" + home));
    }

    @AfterMethod
    public void stop() {
        server.close();
    }

    private Path snapshot() {
        return home.resolve("hub/models--org--tiny/snapshots").resolve(FakeHub.COMMIT);
    }

    private HubSettings settings() {
        return HubSettings.fromEnvironment()
                .optEndpoint(server.endpoint())
                .optCache(home.resolve("hub"))
                .optOffline(false);
    }

    private void assertWhole() throws IOException {
        for (Map.Entry<String, byte[]> file : server.files.entrySet()) {
            Assert.assertEquals(
                    Files.readAllBytes(snapshot().resolve(file.getKey())), file.getValue());
        }
    }

    @Test
    public void twoProcessesDownloadOnce() throws Exception {
        CountDownLatch bothAreThere = new CountDownLatch(2);
        server.fault(
                r -> r.path().startsWith("/api/models/"),
                2,
                exchange -> {
                    bothAreThere.countDown();
                    try {
                        bothAreThere.await(100, TimeUnit.SECONDS);
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                    return false;
                });
        HubProcess one = HubProcess.start("", URL, CHUNK, environment);
        HubProcess two = HubProcess.start("", URL, CHUNK, environment);
        String first = one.join(0);
        String second = two.join(0);
        Assert.assertEquals(bothAreThere.getCount(), 0);
        Assert.assertTrue(first.contains(snapshot().toString()), first);
        Assert.assertTrue(second.contains(snapshot().toString()), second);
        assertWhole();
        Assert.assertEquals(server.gets(FILE).size(), WEIGHTS / CHUNK, "each range once");
        Assert.assertEquals(server.gets("config.json").size(), 1);
    }

    @Test
    public void killedProcessLeavesNoHalfFile() throws Exception {
        CountDownLatch halfWay = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        server.fault(
                r -> r.isGet(FILE) && r.first() == 500_000,
                1,
                exchange -> {
                    halfWay.countDown();
                    try {
                        end.await();
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                    return true;
                });
        HubProcess killed = HubProcess.start("", URL, CHUNK, environment);
        Assert.assertTrue(halfWay.await(100, TimeUnit.SECONDS));
        killed.kill();
        end.countDown();
        Assert.assertFalse(Files.exists(snapshot().resolve(FILE)));
        Path blob =
                home.resolve("hub/models--org--tiny/blobs")
                        .resolve(FakeHub.sha256(server.files.get(FILE)));
        Assert.assertFalse(Files.exists(blob));
        Hub hub = new Hub(settings().optOffline(true));
        Assert.expectThrows(HubException.class, () -> hub.download(MODEL, null));
        // The lock went with the process: the next one goes on.
        Path part = blob.resolveSibling(blob.getFileName() + ".pbs-attn.incomplete");
        long done = Files.size(part);
        Assert.assertEquals(done % CHUNK, 0);
        server.requests.clear();
        HubProcess.start("", URL, CHUNK, environment).join(0);
        assertWhole();
        long first = server.gets(FILE).stream().mapToLong(FakeHub.Request::first).min().orElse(-1);
        Assert.assertEquals(first, done);
    }

    /** A limit on the size of files ends a write as a full disk does: by an error of the system. */
    @Test
    public void fullDiskIsSaidAndLeavesNoHalfFile() throws Exception {
        HubProcess full = HubProcess.start("ulimit -f 600", URL, CHUNK, environment);
        String printed = full.join(1);
        for (String word : List.of("HubException", FILE, "cannot be written", "needed", "free")) {
            Assert.assertTrue(printed.contains(word), printed);
        }
        Assert.assertFalse(Files.exists(snapshot().resolve(FILE)));
        Assert.assertEquals(
                FakeHub.tree(home).stream()
                        .filter(f -> f.endsWith(FakeHub.sha256(server.files.get(FILE))))
                        .toList(),
                List.of());
        HubProcess.start("", URL, CHUNK, environment).join(0);
        assertWhole();
    }

    @Test
    public void environmentIsHuggingFaces() throws Exception {
        Files.writeString(home.resolve("token"), "from-file\n");
        String printed = HubProcess.start("", URL, CHUNK, environment).join(0);
        String first = server.endpoint() + " " + home.resolve("hub") + " from-file false";
        Assert.assertTrue(printed.lines().anyMatch(first::equals), printed);
        Assert.assertTrue(
                server.requests.stream()
                        .filter(r -> "hub".equals(r.server()) && !"END".equals(r.method()))
                        .allMatch(r -> "Bearer from-file".equals(r.token())));

        Path cache = Files.createTempDirectory("cache");
        environment.put("HF_HUB_CACHE", cache.toString());
        environment.put("HF_TOKEN", "from-variable");
        environment.put("HF_HUB_OFFLINE", "1");
        environment.put("HF_ENDPOINT", server.endpoint() + "/");
        server.requests.clear();
        printed = HubProcess.start("", URL, CHUNK, environment).join(1);
        first = server.endpoint() + " " + cache + " from-variable true";
        Assert.assertTrue(printed.lines().anyMatch(first::equals), printed);
        Assert.assertTrue(printed.contains("HF_HUB_OFFLINE"), printed);
        Assert.assertEquals(server.requests.size(), 0);

        environment.remove("HF_HUB_OFFLINE");
        environment.put("DJL_OFFLINE", "true");
        printed = HubProcess.start("", URL, CHUNK, environment).join(1);
        Assert.assertTrue(printed.contains("DJL_OFFLINE"), printed);

        Map<String, String> bare = Map.of("XDG_CACHE_HOME", "" + cache, "HF_HUB_OFFLINE", "on");
        printed = HubProcess.start("", URL, CHUNK, bare).join(1);
        first = "https://huggingface.co " + cache.resolve("huggingface/hub") + "  true";
        Assert.assertTrue(printed.lines().anyMatch(first::equals), printed);
        environment.put("HF_ENDPOINT", "ftp://x");
        printed = HubProcess.start("", URL, CHUNK, environment).join(1);
        Assert.assertTrue(printed.contains("HF_ENDPOINT"), printed);
    }
}
