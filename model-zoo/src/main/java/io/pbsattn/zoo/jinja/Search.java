package io.pbsattn.zoo.jinja;

/** Looks for texts in texts; the budget is asked first, for a search at worst takes very long. */
final class Search {

    private Search() {}

    /** The first index from one on, or -1. */
    static int first(String text, String wanted, int from, Budget budget) {
        budget.search(text.length() - from, wanted.length());
        return from > text.length() ? -1 : text.indexOf(wanted, from);
    }

    /** The last index up to one, or -1. */
    static int last(String text, String wanted, int to, Budget budget) {
        budget.search(to, wanted.length());
        return text.lastIndexOf(wanted, to);
    }
}
