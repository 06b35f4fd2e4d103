#include <string.h>
void copy(char *target, const char *from)
{
    strcpy(target, from); /* Flawfinder: ignore */
    strcpy(target, from); // ITS4: ignore
    strcpy(target, from); /* RATS: ignore */
    /* Flawfinder: ignore */
    strcpy(target, from);
}
