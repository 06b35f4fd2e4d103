#include <string.h>
void copy(char *target, const char *from)
{
    strcpy(target, from);
}
