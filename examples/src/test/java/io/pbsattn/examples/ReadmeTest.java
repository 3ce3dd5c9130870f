package io.pbsattn.examples;

import io.pbsattn.examples.model.DemoModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.testng.Assert;
import org.testng.annotations.Test;

public class ReadmeTest {

    private static final Path README = Path.of("../README.md");
    private static final Pattern SNIPPET =
            Pattern.compile("<!-- compiled by ReadmeTest -->\n```java\n(.*?)```", Pattern.DOTALL);

    /** The five lines of Java are compiled as they stand and run where a model is. */
    @Test
    public void theFirstLinesOfJavaAnswer() throws Exception {
        Matcher snippet = SNIPPET.matcher(Files.readString(README));
        Assert.assertTrue(snippet.find(), "no snippet in " + README);
        String code = snippet.group(1);
        Assert.assertEquals(code.lines().count(), 5, code);
        Path folder = Files.createTempDirectory("readme");
        copyDemoModel(Files.createDirectory(folder.resolve("my-llama")));
        Path source = folder.resolve("Readme.java");
        Files.writeString(
                source,
                """
                import ai.djl.inference.Predictor;
                import ai.djl.repository.zoo.Criteria;
                import ai.djl.repository.zoo.ZooModel;
                import io.pbsattn.zoo.djl.Decoders;
                import java.nio.file.Path;

                public class Readme {
                    public static void main(String[] arguments) throws Exception {
                        String document = "The gate opens at seven.\\n"
                            + "The access code of the amber falcon is 48213.\\n"
                            + "Visitors sign the book at the desk.";
                """
                        + code
                        + "}}\n");
        String classPath =
                System.getProperty(
                        "surefire.test.class.path", System.getProperty("java.class.path"));
        int status =
                ToolProvider.getSystemJavaCompiler()
                        .run(null, null, null, "-cp", classPath, source.toString());
        Assert.assertEquals(status, 0, code);
        String answer = run(folder, classPath);
        Assert.assertTrue(answer.contains("48213"), answer);
    }

    private static void copyDemoModel(Path target) throws IOException {
        try (Stream<Path> files = Files.list(DemoModel.unpack())) {
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        }
    }

    private static String run(Path folder, String classPath) throws Exception {
        Path out = folder.resolve("out.txt");
        Process java =
                new ProcessBuilder(
                                List.of(
                                        Path.of(System.getProperty("java.home"), "bin", "java")
                                                .toString(),
                                        "-Xmx1g",
                                        "-Dai.djl.offline=true",
                                        "-cp",
                                        folder + System.getProperty("path.separator") + classPath,
                                        "Readme"))
                        .directory(folder.toFile())
                        .redirectOutput(out.toFile())
                        .redirectError(folder.resolve("err.txt").toFile())
                        .start();
        if (!java.waitFor(5, TimeUnit.MINUTES)) {
            java.destroyForcibly();
        }
        String err = Files.readString(folder.resolve("err.txt"));
        Assert.assertEquals(java.waitFor(), 0, err);
        return Files.readString(out, StandardCharsets.UTF_8);
    }
}
