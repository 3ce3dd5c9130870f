package io.pbsattn.examples.demo;

/**
 * A fact of the kind that the demo model can find.
 *
 * @param kind such as access code
 * @param thing such as amber falcon
 * @param number five digits
 */
public record Fact(String kind, String thing, String number) {

    String sentence() {
        return "The " + kind + " of the " + thing + " is " + number + ".";
    }

    public String question() {
        return "what is the " + kind + " of the " + thing + "?";
    }
}
