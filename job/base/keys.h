// The keys of a job file: the fields of job.proto seen through reflection and
// their annotations (key.proto). Everything here works for any message so
// annotated and knows no key by name, save `kind`: the key of a message on
// which depends what its other keys are.
#ifndef EBB_JOB_BASE_KEYS_H_
#define EBB_JOB_BASE_KEYS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/key.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace ebb::job {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "train" and "epochs" make "train.epochs".
std::string Join(absl::string_view path, absl::string_view key);

const v1::Key& KeyOf(const FieldDescriptor& field);

// --- Values as text ---------------------------------------------------------

// The word for a value of an enum: KIND_RMSPROP of Kind is "rmsprop".
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);
// The same by the value's number; empty: it is 0, or not known.
std::string EnumWord(const EnumDescriptor& type, int number);
// The words for the values of an enum: KIND_RMSPROP of Kind is "rmsprop".
std::vector<std::string> EnumWords(const EnumDescriptor& type);

// Sets a scalar field, or adds to a repeated or map<string, string> field (then
// `map_key` is used), from text. Returns the mistake in the text; empty: none.
std::string SetFromText(absl::string_view text, const FieldDescriptor& field,
                        Message* message, absl::string_view map_key = "");

// The text from which SetFromText makes the same value. `index` is that of a
// repeated field's element, else -1.
std::string TextOf(const Message& message, const FieldDescriptor& field,
                   int index);

// Returns a message field's type; for a map from names to messages the type of
// the messages; null: the field is neither.
const Descriptor* MessageTypeOf(const FieldDescriptor& field);

// The entry `name` of a map from names to messages, made if it is not there.
Message* MutableEntry(const std::string& name, const FieldDescriptor& field,
                      Message* message);

// The entries of a map from names to messages, by name. They live as long as
// `message` is not changed.
std::map<std::string, const Message*> MessagesOf(const Message& message,
                                                 const FieldDescriptor& field);

// The entries of a map<string, string> field.
std::map<std::string, std::string> EntriesOf(const Message& message,
                                             const FieldDescriptor& field);

// Returns whether the field is set, or has elements.
bool IsSet(const Message& message, const FieldDescriptor& field);

// --- What belongs where -----------------------------------------------------

// The value of the message's key `kind`; empty: none or not set.
std::string KindOf(const Message& message);
// Returns whether the field means anything with the message's present `kind`.
bool BelongsToKind(const Message& message, const FieldDescriptor& field);
// The default of the field with the message's present `kind`.
std::optional<std::string> DefaultOf(const Message& message,
                                     const FieldDescriptor& field);
// Sets absent keys to their defaults, in this message and all below.
void FillAnnotatedDefaults(Message* message);

// Returns what is wrong with the number as the value of the field, beside its
// name: "must be less than 1, not 1"; empty: nothing.
std::string OutOfRange(const FieldDescriptor& field, double value);

// The field that a plain value in place of the message stands for; null: the
// message has no short form.
const FieldDescriptor* ShortForm(const Descriptor& type);

// Returns whether a job's key takes a whole number. `path` is such as
// "train.batch", or a short form. False: there is no such key.
bool TakesWholeNumber(absl::string_view path);

// Returns whether the key takes a list; its only item may be a plain value.
bool TakesOneOrMore(const FieldDescriptor& field);

// --- Words for people -------------------------------------------------------

// "key: value" with a sensible value.
std::string ExampleOf(const FieldDescriptor& field);

// The meaning of each key in job.proto: the first sentence of the comment, by
// the field's full name.
class KeyWords {
 public:
  KeyWords();
  // Without the full stop; empty: the field has no comment.
  std::string Find(const FieldDescriptor& field) const;

 private:
  std::map<std::string, std::string> words_;
};

// The candidate that `text` is probably a misspelling of; empty: none.
std::string Nearest(absl::string_view text,
                    const std::vector<std::string>& candidates);

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_KEYS_H_
