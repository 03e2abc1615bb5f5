/* jvm.c: what a row costs in a JVM, from ucid.Native. Arguments are numbers: texts lie one behind the other in a room
 * of the thread, outside the heap, and what is made of them takes their place. So nothing is looked up, copied or
 * allocated here, and the collector of the JVM is never in the way. What is made has a length; 0 is null. */
#include "ucid_Native.h"

#include <ucid.h>

static char *room_of(jlong at) { return (char *)(uintptr_t)at; }

JNIEXPORT jlong JNICALL Java_ucid_Native_address(JNIEnv *env, jclass native, jobject room)
{
    (void)native;
    return (jlong)(uintptr_t)(*env)->GetDirectBufferAddress(env, room);
}

JNIEXPORT jint JNICALL Java_ucid_Native_create(JNIEnv *env, jclass native, jlong at, jint city, jint time, jint context,
                                               jdouble lat_deg, jdouble lon_deg)
{
    (void)env;
    (void)native;
    char *room = room_of(at);
    ucid_values values = UCID_VALUES_INIT;
    values.city = (ucid_text){room, (size_t)city};
    values.time = (ucid_text){room + city, (size_t)time};
    values.context = (ucid_text){room + city + time, (size_t)context};
    values.lat_deg = lat_deg;
    values.lon_deg = lon_deg;
    ucid_fields fields;
    if (ucid_create(&values, UCID_LENIENT, NULL, &fields, NULL) != UCID_OK) return 0;
    return (jint)ucid_format(&fields, room);
}

static jint cell_text(uint64_t cell, char *room)
{
    if (cell == 0) return 0;
    ucid_cell_format(cell, room);
    return 15;
}

JNIEXPORT jint JNICALL Java_ucid_Native_cell(JNIEnv *env, jclass native, jlong at, jdouble lat_deg, jdouble lon_deg,
                                             jint resolution)
{
    (void)env;
    (void)native;
    return cell_text(ucid_cell_at(lat_deg, lon_deg, resolution), room_of(at));
}

JNIEXPORT jint JNICALL Java_ucid_Native_parent(JNIEnv *env, jclass native, jlong at, jint length, jint resolution)
{
    (void)env;
    (void)native;
    uint64_t cell = ucid_cell_parse(room_of(at), (size_t)length);
    return cell_text(ucid_cell_parent(cell, resolution), room_of(at));
}
