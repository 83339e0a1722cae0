/* Records of texts, integers and arrays of them, between Avro's binary encoding and msgspec structs.

   The same work as the generated Python (schemas: compiled.py), which stays the reference: whatever is irregular in any way
   (a wrong type, a text too long, a NUL, an array in blocks, bytes missing or left over) goes to that code, called
   `general` here, which then judges it from the beginning. So there is one place for every error, and nothing here raises.
   One file, longer than others: as one translation unit its small functions are inlined.
   Format: Avro 1.12 specification, "Binary Encoding"; before the record stand 5 bytes, 0x00 and the schema's id. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#define HEAD 5
#define MAX_FIELDS 48
#define MAX_VARINT 10
#define MAX_WRITTEN 8192 /* longer records are rare; `general` writes them */

#ifndef SOURCE_DIGEST
#define SOURCE_DIGEST ""
#endif

typedef struct Layout Layout;

typedef struct {
    char kind; /* s: text, i: 32-bit, l: 64-bit integer, a: array of `items` */
    PyObject *name;
    Py_ssize_t offset; /* where a struct has the field; 0: to be asked for by its name */
    Layout *items;
} Field;

struct Layout {
    PyObject *type; /* the struct to make; NULL where the items of an array are integers */
    Py_ssize_t count;
    Field fields[];
};

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Layout *layout;
    PyObject *head;
    PyObject *general;
    Py_ssize_t max_text;
    Py_ssize_t max_items;
} Codec;

/* --- layouts ----------------------------------------------------------------------------------------------------- */

static void layout_free(Layout *layout) {
    if (layout == NULL) return;
    for (Py_ssize_t i = 0; i < layout->count; i++) {
        Py_XDECREF(layout->fields[i].name);
        layout_free(layout->fields[i].items);
    }
    Py_XDECREF(layout->type);
    PyMem_Free(layout);
}

/* Return where objects of a type keep an attribute that is a slot of theirs, as all fields of msgspec's structs are; else 0. */
static Py_ssize_t offset_of(PyObject *type, PyObject *name) {
    PyObject *slot = PyType_Check(type) ? PyObject_GetAttr(type, name) : NULL;
    PyErr_Clear();
    Py_ssize_t offset = 0;
    if (slot != NULL && Py_IS_TYPE(slot, &PyMemberDescr_Type)) {
        PyMemberDescrObject *member = (PyMemberDescrObject *)slot;
        int is_own = PyType_IsSubtype((PyTypeObject *)type, PyDescr_TYPE(member));
        if (is_own && member->d_member->type == T_OBJECT_EX) offset = member->d_member->offset;
    }
    Py_XDECREF(slot);
    return offset;
}

/* Return the layout that (type or None, ((name, kind, layout or None), ...)) describes; NULL with an exception. */
static Layout *layout_from(PyObject *described) {
    PyObject *type, *fields;
    if (!PyArg_ParseTuple(described, "OO!", &type, &PyTuple_Type, &fields)) return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(fields);
    if (count < 1 || count > MAX_FIELDS) {
        PyErr_Format(PyExc_ValueError, "a layout has 1 to %d fields", MAX_FIELDS);
        return NULL;
    }
    Layout *layout = PyMem_Calloc(1, sizeof(Layout) + (size_t)count * sizeof(Field));
    if (layout == NULL) return (Layout *)PyErr_NoMemory();
    layout->type = type == Py_None ? NULL : Py_NewRef(type);
    for (; layout->count < count; layout->count++) {
        PyObject *name, *items;
        const char *kind;
        Field *field = &layout->fields[layout->count];
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(fields, layout->count), "UsO", &name, &kind, &items)) goto failed;
        if (items != Py_None && (field->items = layout_from(items)) == NULL) goto failed;
        field->kind = kind[0];
        field->name = Py_NewRef(name);
        field->offset = offset_of(type, name);
    }
    return layout;
failed:
    layout_free(layout);
    return NULL;
}

static int layout_traverse(Layout *layout, visitproc visit, void *arg) {
    if (layout == NULL) return 0;
    Py_VISIT(layout->type);
    for (Py_ssize_t i = 0; i < layout->count; i++) {
        int stopped = layout_traverse(layout->fields[i].items, visit, arg);
        if (stopped) return stopped;
    }
    return 0;
}

/* --- reading: every function returns NULL, or 0, where it is for `general` to judge; an exception may be set --------- */

typedef struct {
    const uint8_t *bytes;
    Py_ssize_t at, end;
    const Codec *codec;
} Reader;

static inline int read_varint(Reader *reader, int64_t *number) {
    uint64_t bits = 0;
    for (int shift = 0; shift < 7 * MAX_VARINT; shift += 7) {
        if (reader->at >= reader->end) return 0;
        uint8_t byte = reader->bytes[reader->at++];
        if (shift == 63 && byte > 1) return 0; /* more than 64 bits */
        bits |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *number = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return 1;
        }
    }
    return 0;
}

static PyObject *read_record(Reader *reader, const Layout *layout);

static PyObject *read_array(Reader *reader, const Layout *items) {
    int64_t count;
    if (!read_varint(reader, &count) || count < 0 || count > reader->codec->max_items) return NULL;
    PyObject *array = PyTuple_New((Py_ssize_t)count);
    if (array == NULL || count == 0) return array;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = read_record(reader, items);
        if (item == NULL) goto failed;
        PyTuple_SET_ITEM(array, i, item);
    }
    if (reader->at >= reader->end || reader->bytes[reader->at++] != 0) goto failed; /* another block follows */
    return array;
failed:
    Py_DECREF(array);
    return NULL;
}

static inline PyObject *read_text(Reader *reader) {
    int64_t length;
    if (!read_varint(reader, &length)) return NULL;
    if (length < 0 || length > reader->end - reader->at || length > reader->codec->max_text) return NULL;
    const char *text = (const char *)reader->bytes + reader->at;
    if (memchr(text, 0, (size_t)length) != NULL) return NULL;
    reader->at += (Py_ssize_t)length;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, NULL);
}

static inline PyObject *read_integer(Reader *reader, char kind) {
    int64_t number;
    if (!read_varint(reader, &number)) return NULL;
    if (kind == 'i' && (number < INT32_MIN || number > INT32_MAX)) return NULL;
    return PyLong_FromLongLong(number);
}

static inline PyObject *read_field(Reader *reader, const Field *field) {
    if (field->kind == 's') return read_text(reader);
    if (field->kind == 'a') return read_array(reader, field->items);
    return read_integer(reader, field->kind);
}

static PyObject *read_record(Reader *reader, const Layout *layout) {
    PyObject *values[MAX_FIELDS];
    if (layout->type == NULL) return read_field(reader, &layout->fields[0]);
    PyObject *record = NULL;
    Py_ssize_t count = 0;
    for (; count < layout->count; count++)
        if ((values[count] = read_field(reader, &layout->fields[count])) == NULL) break;
    if (count == layout->count) record = PyObject_Vectorcall(layout->type, values, (size_t)count, NULL);
    while (count-- > 0) Py_DECREF(values[count]);
    return record;
}

/* --- writing, likewise ------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t bytes[MAX_WRITTEN];
    Py_ssize_t at;
    const Codec *codec;
} Writer;

static inline void write_varint(Writer *writer, int64_t number) { /* the caller has made sure of MAX_VARINT bytes */
    uint64_t bits = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (; bits > 0x7F; bits >>= 7) writer->bytes[writer->at++] = (uint8_t)(bits | 0x80);
    writer->bytes[writer->at++] = (uint8_t)bits;
}

static int write_record(Writer *writer, const Layout *layout, PyObject *record);

static int write_array(Writer *writer, const Layout *items, PyObject *array) {
    if (!PyTuple_CheckExact(array) || PyTuple_GET_SIZE(array) > writer->codec->max_items) return 0;
    Py_ssize_t count = PyTuple_GET_SIZE(array);
    if (count > 0) {
        write_varint(writer, count);
        for (Py_ssize_t i = 0; i < count; i++)
            if (!write_record(writer, items, PyTuple_GET_ITEM(array, i))) return 0;
        if (writer->at >= MAX_WRITTEN) return 0;
    }
    writer->bytes[writer->at++] = 0;
    return 1;
}

static inline int write_text(Writer *writer, PyObject *value) {
    Py_ssize_t length;
    if (!PyUnicode_CheckExact(value)) return 0;
    const char *text = PyUnicode_AsUTF8AndSize(value, &length);
    if (text == NULL || length > writer->codec->max_text || memchr(text, 0, (size_t)length) != NULL) return 0;
    if (writer->at + MAX_VARINT + length > MAX_WRITTEN) return 0;
    write_varint(writer, length);
    memcpy(writer->bytes + writer->at, text, (size_t)length);
    writer->at += length;
    return 1;
}

static inline int write_integer(Writer *writer, PyObject *value, char kind) {
    int overflow;
    if (!PyLong_CheckExact(value)) return 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || (kind == 'i' && (number < INT32_MIN || number > INT32_MAX))) return 0;
    write_varint(writer, number);
    return 1;
}

static inline int write_field(Writer *writer, const Field *field, PyObject *value) {
    if (writer->at + 2 * MAX_VARINT > MAX_WRITTEN) return 0;
    if (field->kind == 's') return write_text(writer, value);
    if (field->kind == 'a') return write_array(writer, field->items, value);
    return write_integer(writer, value, field->kind);
}

static int write_record(Writer *writer, const Layout *layout, PyObject *record) {
    if (layout->type == NULL) return write_field(writer, &layout->fields[0], record);
    int has_slots = Py_IS_TYPE(record, (PyTypeObject *)layout->type);
    for (Py_ssize_t i = 0; i < layout->count; i++) {
        const Field *field = &layout->fields[i];
        PyObject *value = has_slots && field->offset ? Py_XNewRef(*(PyObject **)((char *)record + field->offset))
                                                     : PyObject_GetAttr(record, field->name);
        if (value == NULL) return 0;
        int is_written = write_field(writer, field, value);
        Py_DECREF(value);
        if (!is_written) return 0;
    }
    return 1;
}

/* --- the callables ----------------------------------------------------------------------------------------------- */

static int takes_one(size_t nargsf, PyObject *names) {
    if (PyVectorcall_NARGS(nargsf) == 1 && (names == NULL || PyTuple_GET_SIZE(names) == 0)) return 1;
    PyErr_SetString(PyExc_TypeError, "a codec takes one argument");
    return 0;
}

static PyObject *decode(PyObject *self, PyObject *const *arguments, size_t nargsf, PyObject *names) {
    const Codec *codec = (Codec *)self;
    if (!takes_one(nargsf, names)) return NULL;
    PyObject *value = arguments[0];
    if (PyBytes_CheckExact(value)) {
        Reader reader = {(const uint8_t *)PyBytes_AS_STRING(value), HEAD, PyBytes_GET_SIZE(value), codec};
        PyObject *message = read_record(&reader, codec->layout);
        if (message != NULL && reader.at == reader.end) return message;
        Py_XDECREF(message);
        PyErr_Clear();
    }
    return PyObject_CallOneArg(codec->general, value);
}

static PyObject *encode(PyObject *self, PyObject *const *arguments, size_t nargsf, PyObject *names) {
    const Codec *codec = (Codec *)self;
    if (!takes_one(nargsf, names)) return NULL;
    Writer writer;
    writer.at = HEAD;
    writer.codec = codec;
    memcpy(writer.bytes, PyBytes_AS_STRING(codec->head), HEAD);
    if (write_record(&writer, codec->layout, arguments[0]))
        return PyBytes_FromStringAndSize((const char *)writer.bytes, writer.at);
    PyErr_Clear();
    return PyObject_CallOneArg(codec->general, arguments[0]);
}

static int codec_traverse(PyObject *self, visitproc visit, void *arg) {
    Codec *codec = (Codec *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(codec->general);
    return layout_traverse(codec->layout, visit, arg);
}

static int codec_clear(PyObject *self) {
    Py_CLEAR(((Codec *)self)->general);
    return 0;
}

static void codec_dealloc(PyObject *self) {
    Codec *codec = (Codec *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    layout_free(codec->layout);
    Py_XDECREF(codec->head);
    Py_XDECREF(codec->general);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef codec_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Codec, call), READONLY, NULL},
    {NULL},
};

static PyType_Slot codec_slots[] = {
    {Py_tp_doc, "A function between Kafka values and the messages of one schema."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, codec_traverse},
    {Py_tp_clear, codec_clear},
    {Py_tp_dealloc, codec_dealloc},
    {Py_tp_members, codec_members},
    {0, NULL},
};

static PyType_Spec codec_spec = {
    .name = "schemas.codec._flat.Codec",
    .basicsize = sizeof(Codec),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = codec_slots,
};

/* --- the module -------------------------------------------------------------------------------------------------- */

static PyObject *codec_new(PyObject *module, vectorcallfunc call, PyObject *layout, PyObject *head, PyObject *general,
                           Py_ssize_t max_text, Py_ssize_t max_items) {
    PyTypeObject *type = *(PyTypeObject **)PyModule_GetState(module);
    Layout *compiled = layout_from(layout);
    if (compiled == NULL) return NULL;
    Codec *codec = (Codec *)type->tp_alloc(type, 0);
    if (codec == NULL) {
        layout_free(compiled);
        return NULL;
    }
    codec->call = call;
    codec->layout = compiled;
    codec->head = Py_XNewRef(head);
    codec->general = Py_NewRef(general);
    codec->max_text = max_text;
    codec->max_items = max_items;
    return (PyObject *)codec;
}

static PyObject *new_decoder(PyObject *module, PyObject *arguments) {
    PyObject *layout, *general;
    Py_ssize_t max_text, max_items;
    if (!PyArg_ParseTuple(arguments, "O!Onn", &PyTuple_Type, &layout, &general, &max_text, &max_items)) return NULL;
    return codec_new(module, decode, layout, NULL, general, max_text, max_items);
}

static PyObject *new_encoder(PyObject *module, PyObject *arguments) {
    PyObject *layout, *head, *general;
    Py_ssize_t max_text, max_items;
    if (!PyArg_ParseTuple(arguments, "O!SOnn", &PyTuple_Type, &layout, &head, &general, &max_text, &max_items)) return NULL;
    if (PyBytes_GET_SIZE(head) != HEAD) {
        PyErr_Format(PyExc_ValueError, "the head of a value has %d bytes", HEAD);
        return NULL;
    }
    return codec_new(module, encode, layout, head, general, max_text, max_items);
}

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &codec_spec, NULL);
    *(PyObject **)PyModule_GetState(module) = type;
    return type == NULL ? -1 : PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    Py_VISIT(*(PyObject **)PyModule_GetState(module));
    return 0;
}

static int module_clear(PyObject *module) {
    Py_CLEAR(*(PyObject **)PyModule_GetState(module));
    return 0;
}

static PyMethodDef module_methods[] = {
    {"decoder", new_decoder, METH_VARARGS, "decoder(layout, general, max_text, max_items) -> Kafka value to message"},
    {"encoder", new_encoder, METH_VARARGS, "encoder(layout, head, general, max_text, max_items) -> message to Kafka value"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_flat",
    .m_size = sizeof(PyObject *),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__flat(void) { return PyModuleDef_Init(&module_definition); }
