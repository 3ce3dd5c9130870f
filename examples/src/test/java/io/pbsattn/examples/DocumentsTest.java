package io.pbsattn.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What documents name exists, and their lines fit on a screen. */
public class DocumentsTest {

    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final int COLUMNS = 120;

    /** {@code [text](target)}, as a picture too; {@code [name]: target}; and HTML's. */
    private static final Pattern LINK =
            Pattern.compile("(?:\\]\\(|^\\[[^\\]]+\\]: |(?:src|href)=\")([^()\\s\"]+)");

    /** {@code [name]}, which a line {@code [name]: target} explains. */
    private static final Pattern NAME = Pattern.compile("(?<!\\])\\[([\\w.-]+)\\](?!\\()(:?)");

    private static final Pattern ABSOLUTE = Pattern.compile("[a-z]+:.*");
    private static final Pattern HEADING = Pattern.compile("#{1,6} +(.*?) *#*");
    private static final Pattern FENCE = Pattern.compile(" *(```|~~~).*");

    @DataProvider
    public Object[][] documents() throws IOException {
        try (Stream<Path> top = Files.list(ROOT);
                Stream<Path> docs = Files.walk(ROOT.resolve("docs"))) {
            return Stream.concat(top, docs)
                    .filter(file -> file.toString().endsWith(".md"))
                    .sorted()
                    .map(file -> new Object[] {ROOT.relativize(file)})
                    .toArray(Object[][]::new);
        }
    }

    @Test(dataProvider = "documents")
    public void linksLeadSomewhere(Path document) throws IOException {
        List<String> broken = new ArrayList<>();
        List<MatchResult> links = matches(LINK, prose(ROOT.resolve(document))).toList();
        for (MatchResult link : links) {
            String target = link.group(1);
            if (!ABSOLUTE.matcher(target).matches() && !exists(document, target)) {
                broken.add(target);
            }
        }
        Assert.assertTrue(broken.isEmpty(), document + " links to " + broken);
    }

    @Test(dataProvider = "documents")
    public void namesOfLinksAreExplained(Path document) throws IOException {
        Set<String> used = new HashSet<>();
        Set<String> explained = new HashSet<>();
        matches(NAME, prose(ROOT.resolve(document)))
                .forEach(name -> (name.group(2).isEmpty() ? used : explained).add(name.group(1)));
        Assert.assertEquals(explained, used, document + " (explained, used)");
    }

    @Test(dataProvider = "documents")
    public void linesFit(Path document) throws IOException {
        List<String> lines = Files.readAllLines(ROOT.resolve(document));
        for (int n = 0; n < lines.size(); ++n) {
            int columns = lines.get(n).codePointCount(0, lines.get(n).length());
            Assert.assertTrue(
                    columns <= COLUMNS, document + ":" + (n + 1) + " has " + columns + " columns");
        }
    }

    @Test
    public void anchorsAreGitHubs() {
        Map<String, Integer> seen = new HashMap<>();
        Assert.assertEquals(anchor("Where options may stand", seen), "where-options-may-stand");
        Assert.assertEquals(anchor("Instruction sets of `cpu`", seen), "instruction-sets-of-cpu");
        Assert.assertEquals(anchor("[A](b.md), and more", seen), "a-and-more");
        Assert.assertEquals(anchor("A, and more", seen), "a-and-more-1");
    }

    @Test
    public void brokenLinksAreFound() throws IOException {
        Path readme = Path.of("README.md");
        Assert.assertTrue(exists(readme, "LICENSE"));
        Assert.assertTrue(exists(readme, "docs/decisions"));
        Assert.assertFalse(exists(readme, "docs/nothing.md"));
        Assert.assertFalse(exists(readme, "docs/algorithm.md#nothing"));
        Assert.assertFalse(exists(readme, "../" + ROOT.getFileName() + "/LICENSE"));
        Assert.assertTrue(exists(Path.of("docs/algorithm.md"), "../README.md#try-it"));
        Assert.assertTrue(exists(Path.of("docs/backends.md"), "#cuda"));
    }

    /** What a pattern finds in some lines; code between backticks links nothing. */
    private static Stream<MatchResult> matches(Pattern pattern, List<String> lines) {
        return lines.stream()
                .map(line -> line.replaceAll("`[^`]*`", ""))
                .flatMap(line -> pattern.matcher(line).results());
    }

    /**
     * Tells whether a link of a document leads to a file of the project, and to a heading in it.
     */
    private static boolean exists(Path document, String target) throws IOException {
        String[] parts = target.split("#", 2);
        Path file = parts[0].isEmpty() ? document : document.resolveSibling(parts[0]).normalize();
        if (file.startsWith("..") || !Files.exists(ROOT.resolve(file))) {
            return false;
        }
        return parts.length == 1 || anchors(ROOT.resolve(file)).contains(parts[1]);
    }

    private static Set<String> anchors(Path file) throws IOException {
        Set<String> anchors = new HashSet<>();
        Map<String, Integer> seen = new HashMap<>();
        for (String line : prose(file)) {
            Matcher heading = HEADING.matcher(line);
            if (heading.matches()) {
                anchors.add(anchor(heading.group(1), seen));
            }
        }
        return anchors;
    }

    /** The name that GitHub gives a heading; one that is there already gets a number. */
    private static String anchor(String heading, Map<String, Integer> seen) {
        String text = heading.replaceAll("\\[([^\\]]*)\\]\\([^)]*\\)", "$1");
        String name =
                text.toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N}\\s_-]", "")
                        .replace(' ', '-');
        int times = seen.merge(name, 1, Integer::sum);
        return times == 1 ? name : name + "-" + (times - 1);
    }

    /** The lines of a document that are not code. */
    private static List<String> prose(Path file) throws IOException {
        List<String> prose = new ArrayList<>();
        boolean isCode = false;
        for (String line : Files.readAllLines(file)) {
            boolean isFence = FENCE.matcher(line).matches();
            if (!isCode && !isFence) {
                prose.add(line);
            }
            isCode ^= isFence;
        }
        return prose;
    }
}
