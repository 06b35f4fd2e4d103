/* a Latin-1 comment: café ÿþ */
#include <string.h>
void copy(char *target, const char *from)
{
    strcpy(target, from);
}
