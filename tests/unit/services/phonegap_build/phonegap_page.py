"""The examples on PhoneGap Build's own page on version 0, word for word."""

USER = """{"created_at":"2010-10-12T19:10:16Z","updated_at":"2010-11-29T19:58:00Z",
  "username":"exampleuser","email":"user@example.com"}"""
APPS = """[{"created_at":"2010-11-09T20:36:58Z","title":"Example's Amazing App",
  "updated_at":"2010-11-23T22:53:12Z","symbian_status":"symbian complete",
  "repo_url":"http://github.com/exampleuser/phonegap-start.git",
  "blackberry_status":"blackberry pending","android_status":"complete",
  "webos_status":"compiling webos project","id":50,"icon":"icon.png",
  "version":99.999,"package":"com.example.amazing","person_id":1,
  "desc":"An Amazing app by exampleuser"},
  {"created_at":"2010-11-23T00:16:04Z","title":"New Title",
  "updated_at":"2010-11-26T21:11:55Z","symbian_status":"symbian complete",
  "repo_url":null,"blackberry_status":"pending","android_status":"pending",
  "webos_status":"webos complete","id":52,"icon":null,"version":null,
  "package":null,"person_id":1,"desc":null},
  {"created_at":"2010-11-27T00:39:57Z","title":"Docco App",
  "updated_at":"2010-11-27T00:39:59Z","symbian_status":"symbian complete",
  "repo_url":null,"blackberry_status":"pending","android_status":"error",
  "webos_status":"webos complete","id":53,"icon":null,"version":null,
  "package":null,"person_id":1,"desc":null}]"""
APP_50 = """{"created_at":"2010-11-09T20:36:58Z","title":"Example's Amazing App",
 "updated_at":"2010-11-23T22:53:12Z","symbian_status":"symbian complete",
 "repo_url":"http://github.com/exampleuser/phonegap-start.git",
 "blackberry_status":"blackberry pending","android_status":"error",
 "webos_status":"compiling webos project","id":50,"icon":"icon.png",
 "version":99.999,"package":"com.example.amazing","person_id":1,
 "desc":"An Amazing app by exampleuser"}"""
FROM_REPOSITORY = """{"created_at":"2010-11-29T21:13:26Z","title":"Example's Amazing App",
"updated_at":"2010-11-29T21:13:26Z","symbian_status":"pending",
"repo_url":"http://github.com/exampleuser/phonegap-start.git",
"blackberry_status":"pending","android_status":"pending",
"webos_status":"pending","id":55,"icon":"icon.png","version":"99.999",
"package":"com.example.amazing","person_id":1,
"desc":"An Amazing app by exampleuser"}"""
FROM_FILE = """{"created_at":"2010-11-29T21:52:32Z","title":"Another App",
"updated_at":"2010-11-29T21:52:32Z","symbian_status":"pending",
"repo_url":null,"blackberry_status":"pending","android_status":"pending",
"webos_status":"pending","id":56,"icon":null,"version":null,
"package":null,"person_id":1,"desc":null}"""
KEYS = """{"ios":[{"title":"Test Key","updated_at":"2011-07-07T15:51:23-07:00",
"id":2,"mobile_provision":"test.mobileprovision",
"cert_name":"Certificates.p12"}],"blackberry":[],"android":[]}"""
NO_KEYS = """{"ios":[],"blackberry":[],"android":[]}"""
IOS_KEY = """{"title":"Example Key","updated_at":"2011-07-08T10:27:01-07:00",
"id":3,"cert_name":"example.p12","mobile_provision":"example.mobileprovision"}"""
OTHER_KEY = """{"title":"Example Key","updated_at":"2011-07-08T14:07:09-07:00","id":1}"""
