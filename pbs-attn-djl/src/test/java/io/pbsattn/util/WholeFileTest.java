package io.pbsattn.util;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** A file is there whole or as before; nothing else is left. */
public class WholeFileTest {

    private Path file;

    @BeforeMethod
    public void makeFolder() throws IOException {
        file = Files.createTempDirectory("whole").resolve("made-when-needed").resolve("file.bin");
    }

    @Test
    public void isMadeAndReplaced() throws IOException {
        for (String text : List.of("first", "", "second")) {
            WholeFile.write(file, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
            Assert.assertEquals(Files.readString(file), text);
            Assert.assertEquals(names(), List.of("file.bin"));
        }
    }

    @Test
    public void isAsBeforeWhereWritingFails() throws IOException {
        IOException failure = new IOException("half way");
        for (String before : new String[] {null, "before"}) {
            if (before != null) {
                Files.writeString(file, before);
            }
            IOException e =
                    Assert.expectThrows(
                            IOException.class,
                            () ->
                                    WholeFile.write(
                                            file,
                                            out -> {
                                                out.write(new byte[1 << 16]);
                                                Assert.assertEquals(
                                                        Files.exists(file), before != null);
                                                throw failure;
                                            }));
            Assert.assertSame(e, failure);
            Assert.assertEquals(names(), before == null ? List.of() : List.of("file.bin"));
        }
        Assert.assertEquals(Files.readString(file), "before");
    }

    /** As others may read the folder's other files, they may read these. */
    @Test
    public void hasTheRightsOfAnyNewFile() throws IOException {
        WholeFile.write(file, out -> out.write(1));
        Path other = Files.createFile(file.resolveSibling("other"));
        if (Files.getFileStore(file).supportsFileAttributeView("posix")) {
            Assert.assertEquals(
                    Files.getPosixFilePermissions(file), Files.getPosixFilePermissions(other));
        } else {
            Assert.assertEquals(Files.isReadable(file), Files.isReadable(other));
        }
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(file.getParent())) {
            return files.map(path -> path.getFileName().toString()).toList();
        }
    }
}
