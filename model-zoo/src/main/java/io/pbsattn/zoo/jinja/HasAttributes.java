package io.pbsattn.zoo.jinja;

/** An object with attributes that templates read. */
interface HasAttributes {

    /** The attribute of that name, or {@link Attributes#MISSING}. */
    Object attribute(String name);
}
