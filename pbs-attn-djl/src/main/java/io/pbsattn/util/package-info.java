/** What several modules need and Java lacks: files that appear whole, and arguments as text. */
package io.pbsattn.util;
