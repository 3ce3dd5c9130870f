package io.pbsattn.zoo.hub;

import ai.djl.Application;
import ai.djl.inference.Predictor;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.NDList;
import ai.djl.repository.MRL;
import ai.djl.repository.Repository;
import ai.djl.repository.RepositoryFactory;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ModelZoo;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import ai.djl.util.Utils;
import io.pbsattn.zoo.djl.CausalLmBlock;
import io.pbsattn.zoo.djl.Decoders;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.CausalLm;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;
import org.testng.Assert;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Every way in which DJL's Criteria names a model, and the options on each of them. */
public class WaysInTest {

    private static final Path RETRIEVER = Path.of("src/main/resources/models/retriever");
    private static final String HUB_URL = "hf://org/retriever";
    private static final String MESSAGE =
            """
            The gate opens at seven and closes at nine.
            The access code of the amber falcon is 48213.
            Visitors sign the book at the desk.
            Question: what is the access code of the amber falcon?\
            """;

    /** Each option with a value that is not its default, and how a model shows it. */
    private static final List<Option> OPTIONS =
            List.of(
                    new Option("attention", "dense", CausalLm::attention),
                    new Option("attention.threshold", "0.55", m -> m.pbsConfig(0).threshold()),
                    new Option("attention.block_size", "64", m -> m.pbsConfig(0).blockSize()),
                    new Option("attention.segment_size", "512", m -> m.pbsConfig(0).segmentSize()),
                    new Option(
                            "attention.min_length", "77", m -> m.pbsConfig(0).minLength(m.dtype())),
                    new Option(
                            "attention.layers",
                            "0",
                            m -> m.pbsConfig(0).keepsEveryBlock() ? "0" : "none"),
                    new Option("attention.backend", "reference", CausalLm::backendName),
                    new Option("dtype", "float32", CausalLm::dtype),
                    new Option("context_limit", "300", CausalLm::contextLimit),
                    new Option("max_batch", "3", CausalLm::maxBatch));

    private record Option(String key, String value, Function<CausalLm, Object> shown) {

        /** {@inheritDoc} */
        @Override
        public String toString() {
            return key;
        }
    }

    private FakeHub server;
    private Path folder;

    @BeforeClass
    public void start() throws IOException {
        folder = Files.createTempDirectory("ways-in");
        server = new FakeHub("org/retriever");
        server.addFolder(RETRIEVER);
        System.setProperty("HF_ENDPOINT", server.endpoint());
        System.setProperty("HF_HOME", folder.resolve("hf").toString());
        // libtorch stays where it is unpacked already.
        System.setProperty("ENGINE_CACHE_DIR", Utils.getEngineCacheDir().toString());
        System.setProperty("DJL_CACHE_DIR", folder.resolve("djl").toString());
        // DJL's other zoos would ask the network for lists; libtorch is on the class path.
        System.setProperty("ai.djl.offline", "true");
    }

    @AfterClass
    public void stop() {
        server.close();
        for (String key :
                List.of(
                        "HF_ENDPOINT",
                        "HF_HOME",
                        "ENGINE_CACHE_DIR",
                        "DJL_CACHE_DIR",
                        "ai.djl.offline")) {
            System.clearProperty(key);
        }
    }

    /** Makes criteria that may download, as without DJL's offline mode: hub URLs read it once. */
    private static <T> T online(java.util.concurrent.Callable<T> work) throws Exception {
        System.clearProperty("ai.djl.offline");
        try {
            return work.call();
        } finally {
            System.setProperty("ai.djl.offline", "true");
        }
    }

    private static Criteria<NDList, NDList> logits(Criteria.Builder<NDList, NDList> criteria) {
        return criteria.build();
    }

    private static void assertAnswers(Criteria<String, String> criteria) throws Exception {
        try (ZooModel<String, String> model = criteria.loadModel();
                Predictor<String, String> predictor = model.newPredictor()) {
            String answer = predictor.predict(MESSAGE);
            Assert.assertTrue(answer.contains("48213"), answer);
        }
    }

    /** Archives the demo model; with its folder or without. */
    private Path archive(String name, String prefix) throws IOException {
        Path archive = folder.resolve(name);
        try (OutputStream out = Files.newOutputStream(archive);
                Stream<Path> files = Files.list(RETRIEVER)) {
            if (name.endsWith(".zip")) {
                try (ZipOutputStream zip = new ZipOutputStream(out)) {
                    for (Path file : files.toList()) {
                        zip.putNextEntry(new ZipEntry(prefix + file.getFileName()));
                        Files.copy(file, zip);
                    }
                }
            } else {
                try (TarArchiveOutputStream tar =
                        new TarArchiveOutputStream(new GzipCompressorOutputStream(out))) {
                    for (Path file : files.toList()) {
                        tar.putArchiveEntry(
                                new TarArchiveEntry(file.toFile(), prefix + file.getFileName()));
                        Files.copy(file, tar);
                        tar.closeArchiveEntry();
                    }
                }
            }
        }
        return archive;
    }

    @Test
    public void folders() throws Exception {
        Path copy = copy("a folder, with a comma");
        assertAnswers(Decoders.criteria(String.class, String.class, copy).build());
        assertAnswers(Decoders.criteria(String.class, String.class, copy.toString()).build());
        String url = copy.toUri().toString();
        assertAnswers(Decoders.criteria(String.class, String.class, url).build());
    }

    @Test
    public void archives() throws Exception {
        for (String name : List.of("plain.zip", "plain.tar.gz")) {
            Path archive = archive(name, "");
            assertAnswers(Decoders.criteria(String.class, String.class, archive).build());
        }
        for (String name : List.of("nested.zip", "nested.tgz")) {
            String url = archive(name, "retriever/").toUri().toString();
            assertAnswers(Decoders.criteria(String.class, String.class, url).build());
        }
    }

    /** Without {@link Decoders}: what users of plain DJL write. */
    @Test
    public void plainCriteria() throws Exception {
        Path zip = archive("criteria.zip", "");
        for (String url : List.of(RETRIEVER.toUri().toString(), zip.toUri().toString())) {
            assertAnswers(
                    Criteria.builder()
                            .setTypes(String.class, String.class)
                            .optModelUrls(url)
                            .optEngine("PyTorch")
                            .optArgument("blockFactory", "io.pbsattn.zoo.djl.CausalLmBlockFactory")
                            .optArgument(
                                    "translatorFactory",
                                    "io.pbsattn.zoo.djl.CausalLmTranslatorFactory")
                            .optOption("hasParameter", "false")
                            .build());
        }
    }

    @Test
    public void jars() throws Exception {
        Path zip = archive("in-a-jar.zip", "");
        Path jar = folder.resolve("models.jar");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(jar))) {
            out.putNextEntry(new ZipEntry("models/demo.zip"));
            Files.copy(zip, out);
        }
        String inJar = "jar:" + jar.toUri() + "!/models/demo.zip";
        assertAnswers(Decoders.criteria(String.class, String.class, inJar).build());

        ClassLoader before = Thread.currentThread().getContextClassLoader();
        try (URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, before)) {
            Thread.currentThread().setContextClassLoader(loader);
            assertAnswers(
                    Decoders.criteria(String.class, String.class, "jar:///models/demo.zip")
                            .build());
        } finally {
            Thread.currentThread().setContextClassLoader(before);
        }

        String absent = "jar:" + jar.toUri() + "!/models/absent.zip";
        Criteria<String, String> criteria =
                Decoders.criteria(String.class, String.class, absent).build();
        IOException e = Assert.expectThrows(IOException.class, criteria::loadModel);
        Assert.assertTrue(e.getMessage().contains(absent), e.getMessage());
    }

    private static Criteria<String, String> shortest() {
        return Criteria.builder()
                .setTypes(String.class, String.class)
                .optModelUrls(HUB_URL)
                .build();
    }

    /** The shortest form: the URL alone. */
    @Test
    public void hub() throws Exception {
        server.requests.clear();
        Criteria<String, String> downloading = online(WaysInTest::shortest);
        Assert.assertEquals(server.requests.size(), 0, "nothing is asked before it is needed");
        Assert.assertFalse(downloading.isDownloaded());
        assertAnswers(downloading);
        Assert.assertTrue(downloading.isDownloaded());
        // Offline from here on.
        server.requests.clear();
        assertAnswers(shortest());
        assertAnswers(Decoders.criteria(String.class, String.class, HUB_URL + "@main").build());
        Assert.assertEquals(server.requests.size(), 0);
        try (ZooModel<NDList, NDList> model =
                Criteria.builder()
                        .setTypes(NDList.class, NDList.class)
                        .optModelUrls(HUB_URL + "?attention=dense")
                        .build()
                        .loadModel()) {
            Assert.assertEquals(
                    ((CausalLmBlock) model.getBlock()).model().attention(), AttentionKind.DENSE);
            Assert.assertEquals(model.getName(), "retriever");
        }
    }

    @Test
    public void hubErrorsReachTheCaller() throws Exception {
        Criteria<String, String> criteria =
                online(
                        () ->
                                Criteria.builder()
                                        .setTypes(String.class, String.class)
                                        .optModelUrls("hf://org/absent")
                                        .build());
        IOException e = Assert.expectThrows(IOException.class, criteria::loadModel);
        Assert.assertTrue(e.getMessage().contains("no such model"), e.getMessage());
        Assert.assertThrows(
                IllegalArgumentException.class,
                () -> Criteria.builder().optModelUrls("hf://a/b/c"));
    }

    @Test
    public void zooListsAndLoadsTheDemoModel() throws Exception {
        List<String> names = new ArrayList<>();
        for (MRL mrl : ModelZoo.listModels().get(Application.NLP.TEXT_GENERATION)) {
            names.add(mrl.getGroupId() + ':' + mrl.getArtifactId());
        }
        Assert.assertTrue(names.contains("io.pbsattn:retriever"), names.toString());
        assertAnswers(
                Criteria.builder()
                        .setTypes(String.class, String.class)
                        .optGroupId("io.pbsattn")
                        .optArtifactId("retriever")
                        .build());
    }

    /** DJL Serving finds zoos in its folder of jars, but no repositories. */
    @Test
    public void zooBringsTheHub() {
        RepositoryFactory another =
                new RepositoryFactory() {
                    @Override
                    public Repository newInstance(String name, URI uri) {
                        throw new AssertionError(uri);
                    }

                    @Override
                    public Set<String> getSupportedScheme() {
                        return Set.of("hf");
                    }
                };
        Repository.registerRepositoryFactory(another);
        Assert.assertEquals(new PbsZooProvider().getModelZoo().getGroupId(), "io.pbsattn");
        Assert.assertTrue(Repository.newInstance("x", HUB_URL) instanceof HubRepository);
    }

    /**
     * What was unpacked by an earlier version would stay: another content wants another version.
     */
    @Test
    public void unpackedFilesAreTheResources() throws Exception {
        Path unpacked =
                ((PbsModelZoo) ModelZoo.getModelZoo(PbsModelZoo.GROUP_ID))
                        .folder(PbsModelZoo.RETRIEVER);
        for (String name : FakeHub.tree(unpacked)) {
            Assert.assertEquals(
                    Files.readAllBytes(unpacked.resolve(name)),
                    Files.readAllBytes(RETRIEVER.resolve(name)));
        }
        Assert.assertEquals(FakeHub.tree(unpacked).size(), 5);
        String sha256 = FakeHub.sha256(Files.readAllBytes(unpacked.resolve("model.safetensors")));
        Assert.assertEquals(
                sha256.substring(0, 16), "a2aef25e0062c44b", "raise the version in PbsModelZoo");
    }

    @DataProvider
    public Object[][] ways() {
        List<Object[]> rows = new ArrayList<>();
        for (Option option : OPTIONS) {
            for (String way :
                    List.of("argument", "properties", "option.properties", "option", "zoo")) {
                rows.add(new Object[] {option, way});
            }
        }
        return rows.toArray(Object[][]::new);
    }

    @Test(dataProvider = "ways")
    public void optionsArrive(Option option, String way) throws Exception {
        Criteria.Builder<NDList, NDList> criteria =
                Decoders.criteria(NDList.class, NDList.class, RETRIEVER);
        switch (way) {
            case "argument" -> criteria.optArgument(option.key, option.value);
            case "option" -> criteria.optOption(option.key, option.value);
            case "zoo" ->
                    criteria =
                            Criteria.builder()
                                    .setTypes(NDList.class, NDList.class)
                                    .optGroupId("io.pbsattn")
                                    .optArtifactId("retriever")
                                    .optOption(option.key, option.value);
            default -> {
                Path copy = copy(option.key + way);
                String prefix = way.replace("properties", "");
                Files.writeString(
                        copy.resolve("serving.properties"),
                        prefix + option.key + '=' + option.value);
                criteria = Decoders.criteria(NDList.class, NDList.class, copy);
            }
        }
        try (ZooModel<NDList, NDList> model = logits(criteria).loadModel();
                ZooModel<NDList, NDList> usual =
                        Decoders.criteria(NDList.class, NDList.class, RETRIEVER)
                                .build()
                                .loadModel()) {
            String found =
                    option.shown.apply(((CausalLmBlock) model.getBlock()).model()).toString();
            Assert.assertEquals(found, option.value);
            if (!"dtype".equals(option.key)) { // its default is up to the machine
                Assert.assertNotEquals(
                        option.shown.apply(((CausalLmBlock) usual.getBlock()).model()).toString(),
                        option.value);
            }
        }
    }

    @Test
    public void argumentsComeBeforeTheFolder() throws Exception {
        Path copy = copy("before");
        Files.writeString(
                copy.resolve("serving.properties"),
                "attention.min_length=1\noption.attention.block_size=64\n");
        try (ZooModel<NDList, NDList> model =
                Decoders.criteria(NDList.class, NDList.class, copy)
                        .optArgument("attention.min_length", 2)
                        .optOption("attention.block_size", "32")
                        .build()
                        .loadModel()) {
            CausalLm block = ((CausalLmBlock) model.getBlock()).model();
            Assert.assertEquals(block.pbsConfig(0).minLength(block.dtype()), 2);
            Assert.assertEquals(block.pbsConfig(0).blockSize(), 32);
        }
    }

    @Test
    public void unknownOptionsAreRefused() {
        Criteria<NDList, NDList> criteria =
                Decoders.criteria(NDList.class, NDList.class, RETRIEVER)
                        .optOption("attention.colour", "red")
                        .build();
        Exception e = Assert.expectThrows(Exception.class, criteria::loadModel);
        Assert.assertTrue(e.toString().contains("attention.colour"), e.toString());
    }

    @Test
    public void wrongLocationsAreNamed() {
        for (String location : List.of("/absent/model", "file:/absent.zip", "pom.xml")) {
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> Decoders.criteria(NDList.class, NDList.class, location));
            Assert.assertTrue(e.getMessage().contains(location), e.getMessage());
        }
        String jar = "jar:" + URI.create("file:/x.jar") + "!/folder/";
        Assert.assertThrows(
                IllegalArgumentException.class,
                () -> Decoders.criteria(NDList.class, NDList.class, jar));
    }

    @Test
    public void servingRequestsAreAnswered() throws Exception {
        Path copy = copy("serving");
        Files.writeString(
                copy.resolve("serving.properties"),
                """
                engine=PyTorch
                blockFactory=io.pbsattn.zoo.djl.CausalLmBlockFactory
                translatorFactory=io.pbsattn.zoo.djl.CausalLmTranslatorFactory
                option.max_new_tokens=3
                option.hasParameter=false
                option.attention=dense
                """);
        // As DJL Serving does: it reads the file itself and hands the keys on.
        Criteria<Input, Output> criteria =
                Criteria.builder()
                        .setTypes(Input.class, Output.class)
                        .optModelUrls(copy.toUri().toString())
                        .optEngine("PyTorch")
                        .optArgument("blockFactory", "io.pbsattn.zoo.djl.CausalLmBlockFactory")
                        .optArgument(
                                "translatorFactory", "io.pbsattn.zoo.djl.CausalLmTranslatorFactory")
                        .optOption("hasParameter", "false")
                        .optOption("max_new_tokens", "3")
                        .optOption("attention", "dense")
                        .build();
        try (ZooModel<Input, Output> model = criteria.loadModel();
                Predictor<Input, Output> predictor = model.newPredictor()) {
            Assert.assertEquals(
                    ((CausalLmBlock) model.getBlock()).model().attention(), AttentionKind.DENSE);
            Output plain = predictor.predict(request("text/plain", MESSAGE));
            Assert.assertEquals(plain.getAsString(0).strip(), "The access code");
            Assert.assertTrue(plain.getProperty("Content-Type", "").startsWith("text/plain"));
            com.google.gson.JsonObject inputs = new com.google.gson.JsonObject();
            inputs.addProperty("inputs", MESSAGE);
            Output json = predictor.predict(request("application/json", inputs.toString()));
            Assert.assertEquals(json.getAsString(0), "{\"generated_text\":\" The access code\"}");
            Assert.assertEquals(json.getProperty("Content-Type", ""), "application/json");
            for (String body : List.of("[]", "{", "{\"inputs\":1}", "{}", "{\"top\":1}")) {
                Assert.assertThrows(
                        TranslateException.class,
                        () -> predictor.predict(request("application/json", body)));
            }
            Assert.assertThrows(TranslateException.class, () -> predictor.predict(new Input()));
        }
    }

    @Test
    public void otherTypesAreRefused() {
        Criteria<Integer, String> criteria =
                Decoders.criteria(Integer.class, String.class, RETRIEVER).build();
        Assert.assertThrows(ModelNotFoundException.class, criteria::loadModel);
    }

    private static Input request(String type, String body) {
        Input input = new Input();
        input.addProperty("Content-Type", type);
        input.add(body.getBytes(StandardCharsets.UTF_8));
        return input;
    }

    private Path copy(String name) throws IOException {
        Path copy = Files.createDirectories(folder.resolve(name));
        try (Stream<Path> files = Files.list(RETRIEVER)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }
}
