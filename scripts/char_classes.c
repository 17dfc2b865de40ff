/* Prints src/token/char_classes.inc from the tables of utf8proc:
 *   gcc -o /tmp/char_classes scripts/char_classes.c -lutf8proc && /tmp/char_classes >src/token/char_classes.inc
 */
#include <stdio.h>
#include <utf8proc.h>

/* The bits are those of src/token/unicode.h. */
static unsigned class_of(utf8proc_int32_t character)
{
    if (character == 0x85)
        return 4; /* a control character that is White_Space */
    switch (utf8proc_category_string(character)[0]) {
    case 'L':
        return 1;
    case 'N':
        return 2;
    case 'Z':
        return 4;
    case 'P':
        return 8;
    default:
        return 0;
    }
}

int main(void)
{
    printf(
        "/* clang-format off */\n"
        "/* Made by scripts/char_classes.c from Unicode %s: runs of characters of one class, the first character of\n"
        " * each above four bits of its class. */\n",
        utf8proc_unicode_version());
    unsigned last = 0;
    int column = 0;
    for (utf8proc_int32_t c = 0x80; c <= 0x10FFFF; c++) {
        unsigned class = class_of(c);
        if (class == last && c > 0x80)
            continue;
        printf("0x%X,%s", (unsigned)c << 4 | class, ++column % 12 == 0 ? "\n" : " ");
        last = class;
    }
    printf("\n");
}
