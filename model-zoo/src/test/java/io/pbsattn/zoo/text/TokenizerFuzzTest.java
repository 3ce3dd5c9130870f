package io.pbsattn.zoo.text;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.Test;

/** Runs {@link TokenizerFuzz} for a short time; its main method runs it for longer. */
public class TokenizerFuzzTest {

    @Test
    public void spoiltTokenizersEndNoProcess() throws Exception {
        Path folder = Files.createTempDirectory("fuzz");
        File log = folder.resolve("log").toFile();
        Process process =
                new ProcessBuilder(
                                List.of(
                                        ProcessHandle.current().info().command().orElse("java"),
                                        "-Xmx512m",
                                        "-cp",
                                        System.getProperty("java.class.path"),
                                        TokenizerFuzz.class.getName(),
                                        folder.toString(),
                                        "800",
                                        "7"))
                        .redirectErrorStream(true)
                        .redirectOutput(log)
                        .start();
        int status = process.waitFor();
        Assert.assertEquals(status, 0, Files.readString(log.toPath()) + " in " + folder);
    }
}
